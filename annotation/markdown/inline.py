"""What stands within a line: code, maths, links and emphasis.

Maths is shown as it is written, and so is a backslash: here it hides nothing. Emphasis begins and
ends where words do, so that 5*6*7, 2**8 and __init__.py keep their signs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from annotation.markdown.source import Line, Page, Passage

SIGN = re.compile(r"[`\\$<\[]|\*+|_+|~+")
BACKTICKS = re.compile(r"`+")
# The closing dollar stands behind no space and before no digit: "$5 or $6" are prices.
DOLLARS = re.compile(r"\$(?=[^\s$])(?:\\.|[^$\\\n])*+(?<!\s)\$(?![\d$])")
ADDRESS = r"(?:https?://|mailto:)"
BARE_LINK = re.compile(rf"<({ADDRESS}[^\s<>]{{1,2000}}+)>", re.IGNORECASE)
LINK = re.compile(
    r"\[((?:[^\[\]\\]|\\.){1,1000}+)\]"
    rf"\(\s*+<?({ADDRESS}(?:[^\s()<>]|\([^\s()<>]*+\)){{1,2000}}+)>?"
    r"(?:\s++(?:\"[^\"]{0,1000}+\"|'[^']{0,1000}+'))?\s*+\)",
    re.IGNORECASE,
)
MATHS = {r"\(": r"\)", r"\[": r"\]", "$$": "$$"}

TAGS = {("*", 1): "em", ("*", 2): "strong", ("_", 1): "em", ("~", 2): "s"}
LENGTHS = {"*": 3, "_": 1, "~": 2}
MOST_OPEN, MOST_EVENTS = 16, 3_000
# Chinese, Japanese, Korean, Thai, Lao and Khmer put no space around a word that is emphasised.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
BRACKETS_OPEN, BRACKETS_CLOSE = frozenset("([{（【「『《"), frozenset(")]}）】」』》")
ENDS = BRACKETS_CLOSE | frozenset(".,;:!?%=+/<>，。；：！？、")
INSIDE_NAME = frozenset("._/\\([@")  # followed by a letter, as in *name*.py


@dataclass
class _Opener:
    """A run of signs at `start` of which `count` are not used yet."""

    sign: str
    count: int
    start: int


@dataclass
class _Inline:
    """From `start` to `end` of the passage; `events` are (start, end, html) to be put in order."""

    passage: Passage
    start: int
    end: int
    next_ticks: dict[int, int]  # where code may begin to where its end begins
    events: list[tuple[int, int, str]] = field(default_factory=list)
    openers: list[_Opener] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)  # ends of maths of which there are no more

    @property
    def text(self) -> str:
        return self.passage.text

    def read(self) -> None:
        at = self.start
        while (found := SIGN.search(self.text, at, self.end)) and len(self.events) < MOST_EVENTS:
            sign, at = found[0], found.end()
            if sign == "`":
                at = self._code(found.start())
            elif sign == "[":
                at = self._link(found.start())
            elif sign == "<":
                at = self._bare_link(found.start())
            elif sign in "\\$":
                at = self._maths(found.start())
            else:
                self._emphasis(found.start(), sign)

    def write(self) -> None:
        at = self.start
        for start, end, html in sorted(self.events, key=lambda event: event[0]):
            self.passage.show(at, start)
            if not html.startswith("</"):
                self.passage.skip(end)  # an element holds what it is of, and no sign
            self.passage.page.tag(html)
            at = end
        self.passage.show(at, self.end)

    def _code(self, start: int) -> int:
        inside = self._run_end(start)
        close = self.next_ticks.get(start, self.end)
        end = close + inside - start
        if end > self.end:
            return inside
        self.events += [(start, inside, "<code>"), (close, end, "</code>")]
        return end

    def _run_end(self, start: int) -> int:
        found = BACKTICKS.match(self.text, start, self.end)
        return found.end() if found else start

    def _maths(self, start: int) -> int:
        """Past the maths that begins here, or past a backslash and what it stands before."""
        end = 0
        close = MATHS.get(self.text[start : start + 2])
        if close and close not in self.missing:
            end = self.text.find(close, start + 2, self.end) + 2
            if end < 2:
                self.missing.add(close)
        elif self.text[start] == "$" and (found := DOLLARS.match(self.text, start, self.end)):
            end = found.end()
        if end < 2:
            return start + (2 if self.text[start] == "\\" else 1)
        self.events += [(start, start, '<span class="maths" dir="ltr">'), (end, end, "</span>")]
        return end

    def _bare_link(self, start: int) -> int:
        found = BARE_LINK.match(self.text, start, self.end)
        if found is None:
            return start + 1
        self.events += [(start, start + 1, _anchor(found[1])), (found.end(1), found.end(), "</a>")]
        return found.end()

    def _link(self, start: int) -> int:
        """Words and the address behind them: both are seen."""
        found = LINK.match(self.text, start, self.end)
        if found is None:
            return start + 1
        words = _Inline(self.passage, *found.span(1), self.next_ticks)
        words.read()
        behind = found.end(1) + 1
        self.events += [
            (start, start + 1, _anchor(found[2])),
            *sorted(words.events, key=lambda event: event[0]),
            (found.end(1), behind, '</a><span class="address">'),
            (found.end(), found.end(), "</span>"),
        ]
        return found.end()

    def _emphasis(self, start: int, run: str) -> None:
        sign, count = run[0], len(run)
        if count > LENGTHS[sign] or (sign == "~" and count == 1):
            return
        before = self.text[start - 1] if start > self.start else " "
        after = self.text[start + count] if start + count < self.end else " "
        if _can_close(before, after, self.text[start + count + 1 : start + count + 2], count):
            count = self._close(sign, count, start)
        if count and _can_open(before, after, count):
            self.openers = self.openers[-MOST_OPEN:]
            self.openers.append(_Opener(sign, count, start + len(run) - count))

    def _close(self, sign: str, count: int, start: int) -> int:
        """Pairs the run with those that it ends; how many of its signs are left."""
        for depth in reversed(range(len(self.openers))):
            opener = self.openers[depth]
            fits = opener.count == count or 3 in (opener.count, count)
            if opener.sign != sign or not fits:
                continue
            while count and opener.count:
                used = 2 if min(count, opener.count) >= 2 else 1
                tag = TAGS[sign, used]
                opener.count -= used
                inner = opener.start + opener.count
                self.events += [
                    (inner, inner + used, f"<{tag}>"),
                    (start, start + used, f"</{tag}>"),
                ]
                start, count = start + used, count - used
            del self.openers[depth + (opener.count > 0) :]
            if not count:
                break
        return count


def write_inline(page: Page, lines: Sequence[Line]) -> None:
    passage = Passage(page, lines)
    inline = _Inline(passage, 0, len(passage.text), _pairs_of_ticks(passage.text))
    if not page.is_full:
        inline.read()
    inline.write()


def _pairs_of_ticks(text: str) -> dict[int, int]:
    """Of each run of backticks, the start of the next one that is as long."""
    pairs: dict[int, int] = {}
    last: dict[int, int] = {}
    for run in BACKTICKS.finditer(text):
        length = run.end() - run.start()
        if length in last:
            pairs[last[length]] = run.start()
        last[length] = run.start()
    return pairs


def _anchor(address: str) -> str:
    return f'<a href="{escape(address)}">'


def _is_inside_word(char: str, count: int) -> bool:
    """Two signs, as of **strong**, may stand between characters that need no space."""
    return char.isalnum() and not (count > 1 and UNSPACED.match(char))


def _can_open(before: str, after: str, count: int) -> bool:
    if after.isspace() or after in ENDS:
        return False
    return before not in BRACKETS_CLOSE and not _is_inside_word(before, count)


def _can_close(before: str, after: str, next_after: str, count: int) -> bool:
    if before.isspace() or before in BRACKETS_OPEN or _is_inside_word(after, count):
        return False
    return not (after in INSIDE_NAME and next_after.isalnum())
