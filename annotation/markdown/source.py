"""A text that is written as HTML: each of its characters once, and in order."""

from bisect import bisect_right
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

# Only these can be hidden, and only where they stand for what is seen instead of them.
MARKUP = frozenset(" \t\r\n*_~`#>|-:[]<=")
MOST_PARTS = 6_000  # of a page; a text of more tags than this is no text to read


class Line(NamedTuple):
    """A line without its end and without what the blocks around it took of its beginning."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def is_blank(self) -> bool:
        return not self.text or self.text.isspace()

    def without(self, count: int) -> "Line":
        """From its character number `count` on."""
        return Line(self.start + count, self.text[count:])


def lines_of(source: str) -> list[Line]:
    lines, start = [], 0
    for text in source.split("\n"):
        lines.append(Line(start, text))
        start += len(text) + 1
    return lines


class Page:
    """The HTML under way. What is neither shown nor skipped is skipped by what comes after it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._written = 0
        self._html: list[str] = []

    @property
    def html(self) -> str:
        return "".join(self._html)

    @property
    def is_full(self) -> bool:
        """What comes now is to be shown without tags: each of them takes time, here and there."""
        return len(self._html) > MOST_PARTS

    def tag(self, html: str) -> None:
        self._html.append(html)

    def show(self, start: int, end: int, name: str = "") -> None:
        """The characters from `start` to `end`; in a span of the class `name`, if there is one."""
        self.skip(start)
        self._write(end, name)

    def skip(self, end: int) -> None:
        """All up to `end` is markup: hidden, but where it holds what is more than that."""
        is_markup = MARKUP.issuperset(self.source[self._written : end])
        self._write(end, "markup" if is_markup else "")

    def _write(self, end: int, name: str) -> None:
        end = min(end, len(self.source))
        if end <= self._written:
            return
        text = escape(self.source[self._written : end], quote=False).replace("\r", "&#13;")
        self._html.append(f'<span class="{name}">{text}</span>' if name else text)
        self._written = end


class Passage:
    """Lines as one text. In the source there may be markup between them, as in a quote."""

    def __init__(self, page: Page, lines: Sequence[Line]) -> None:
        self.page = page
        self.text = "\n".join(line.text for line in lines)
        self._starts: list[int] = []
        self._offsets: list[int] = []  # from a place in the text to its place in the source
        at = 0
        for line in lines:
            if not self._offsets or self._offsets[-1] != line.start - at:
                self._starts.append(at)
                self._offsets.append(line.start - at)
            at += len(line.text) + 1

    def skip(self, end: int) -> None:
        """As Page.skip, by a place in this text."""
        self.page.skip(end + self._offsets[bisect_right(self._starts, end) - 1])

    def show(self, start: int, end: int, name: str = "") -> None:
        """As Page.show, by places in this text."""
        piece = bisect_right(self._starts, start)
        while start < end:
            stop = min(end, self._starts[piece]) if piece < len(self._starts) else end
            offset = self._offsets[piece - 1]
            self.page.show(start + offset, stop + offset, name)
            start, piece = stop, piece + 1
