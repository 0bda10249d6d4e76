"""Paragraphs, headings, lists, tables, quotes, code: the part of Markdown that models write.

What CommonMark would drop, count anew or read as something else stays as it is written:
definitions of links, HTML, entities, numbers of lists, cells beyond a table's columns, indentation.
"""

import re
from collections.abc import Callable, Sequence

from annotation.markdown import signs
from annotation.markdown.code import write_code
from annotation.markdown.direction import RIGHT_TO_LEFT, direction_of
from annotation.markdown.inline import write_inline
from annotation.markdown.signs import Found
from annotation.markdown.source import Line, Page, Passage, lines_of

DEEPEST = 8
TOP_HEADING = 3  # a page has headings of its own above

Writer = Callable[[Sequence[Line], int, int, Found], int]
Kinds = tuple[tuple[re.Pattern[str], Writer], ...]  # by which sign a line begins with


def as_html(source: str) -> str:
    """HTML of untrusted Markdown. Its text content is the source, character by character.

    What is markup and nothing else is in spans of the class "markup", to be hidden. The time is in
    proportion to the length, whatever the text: lines are read once a level, of which there are
    few, and characters once a line, by expressions that never go back.
    """
    page = Page(source)
    _Blocks(page).write(lines_of(source), 0)
    page.skip(len(source))
    return page.html


class _Blocks:
    """A writer takes lines, the number of its first one, the depth of the block and what was found
    at the beginning; it gives the number of the next block's line.

    A block holds the empty lines behind it, as there is no place for them between two blocks.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.has_right_to_left = RIGHT_TO_LEFT.search(page.source) is not None
        self.endless: dict[str, int] = {}  # up to where in the source maths has no end
        self.kinds: dict[str, Kinds] = {
            **dict.fromkeys("`~", ((signs.FENCE, self._fence),)),
            **dict.fromkeys("*-", ((signs.RULE, self._rule), (signs.ITEM, self._list))),
            **dict.fromkeys("0123456789", ((signs.ITEM, self._list),)),
            **dict.fromkeys("\\$", ((signs.MATHS, self._maths),)),
            "_": ((signs.RULE, self._rule),),
            "#": ((signs.HEADING, self._heading),),
            ">": ((signs.QUOTE, self._quote),),
        }

    def write(self, lines: Sequence[Line], depth: int) -> None:
        at = 0
        while at < len(lines):
            if lines[at].is_blank:
                at += 1
            elif depth > DEEPEST or self.page.is_full:
                at = self._as_written(lines, at, len(lines))
            elif begun := self._begun(lines, at):
                writer, found = begun
                at = writer(lines, at, depth, found)
            else:
                at = self._paragraph(lines, at)

    def _begun(self, lines: Sequence[Line], at: int) -> tuple[Writer, Found] | None:
        """The writer of the block that begins at this line; None: a paragraph."""
        text = lines[at].text
        for pattern, writer in self.kinds.get(text.lstrip(" ")[:1], ()):
            found = pattern.match(text)
            if found and (pattern is not signs.MATHS or self._maths_end(lines, at, found)):
                return writer, found
        if "|" in text and at + 1 < len(lines) and signs.is_delimiter(lines[at + 1].text):
            found = signs.TABLE.match(text)
            return (self._table, found) if found else None
        found = signs.INDENTED.match(text)
        return (self._indented, found) if found else None

    def _paragraph_end(self, lines: Sequence[Line], at: int) -> int:
        end = at + 1
        while end < len(lines) and not lines[end].is_blank:
            begun = self._begun(lines, end)
            if begun and begun[0] != self._indented and not signs.is_within(lines[end], begun[1]):
                break
            end += 1
        return end

    def _paragraph(self, lines: Sequence[Line], at: int) -> int:
        underline = signs.UNDERLINE.match(lines[at + 1].text) if at + 1 < len(lines) else None
        if underline:
            tag = f"h{TOP_HEADING + '=-'.index(underline[1])}"
            return self._leaf(tag, lines[at : at + 1], lines, at + 2)
        end = self._paragraph_end(lines, at)
        return self._leaf("p", lines[at:end], lines, end)

    def _leaf(self, tag: str, inside: Sequence[Line], lines: Sequence[Line], behind: int) -> int:
        """A block of the words `inside`, which ends before line `behind`."""
        self.page.tag(f"<{tag}{self._direction(inside)}>")
        write_inline(self.page, inside)
        return self._close(tag, lines, behind)

    def _close(self, tag: str, lines: Sequence[Line], at: int) -> int:
        """Ends a block before line `at`, or behind the empty lines there."""
        at = signs.behind_blanks(lines, at)
        self.page.skip(lines[at - 1].end + 1)
        self.page.tag(f"</{tag}>")
        return at

    def _direction(self, lines: Sequence[Line]) -> str:
        if not self.has_right_to_left:
            return ""
        direction = direction_of("\n".join(line.text for line in lines))
        return f' dir="{direction}"' if direction else ""

    def _as_written(self, lines: Sequence[Line], at: int, end: int, name: str = "") -> int:
        kind = f' class="{name}" dir="ltr"' if name else self._direction(lines[at:end])
        self.page.tag(f"<p{kind}>")
        passage = Passage(self.page, lines[at:end])
        passage.show(0, len(passage.text))
        return self._close("p", lines, end)

    def _heading(self, lines: Sequence[Line], at: int, _depth: int, found: Found) -> int:
        text = lines[at].text.rstrip()
        words = text.rstrip("#")
        inside = Line(lines[at].start, words if words[-1:] in {" ", "\t"} else text)
        tag = f"h{min(6, TOP_HEADING - 1 + len(found[1]))}"
        return self._leaf(tag, [inside.without(found.end())], lines, at + 1)

    def _rule(self, lines: Sequence[Line], at: int, _depth: int, _found: Found) -> int:
        self.page.tag("<div><hr>")
        return self._close("div", lines, at + 1)

    def _quote(self, lines: Sequence[Line], at: int, depth: int, _found: Found) -> int:
        inside = []
        while at < len(lines) and (found := signs.QUOTE.match(lines[at].text)):
            inside.append(lines[at].without(found.end()))
            at += 1
        self.page.tag(f"<blockquote{self._direction(inside)}>")
        self.write(inside, depth + 1)
        return self._close("blockquote", lines, at)

    def _list(self, lines: Sequence[Line], at: int, depth: int, found: Found | None) -> int:
        is_numbered = bool(found and found[2])
        tag = "ol" if is_numbered else "ul"
        self.page.tag(f"<{tag}{self._direction(lines[at : at + 1])}>")
        while found and bool(found[2]) == is_numbered:
            end = signs.item_end(lines, at, found)
            self._item(lines[at:end], depth, found)
            at = end
            if self.page.is_full:
                break
            begun = self._begun(lines, at) if at < len(lines) else None
            found = begun[1] if begun and begun[0] == self._list else None
        self.page.tag(f"</{tag}>")
        return at

    def _item(self, lines: Sequence[Line], depth: int, found: Found) -> None:
        """Its first paragraph stands in the item itself, behind the number as it is written."""
        indents = [signs.indent(line.text, found.end())[0] for line in lines[1:]]
        inside = [lines[0].without(found.end())]
        inside += [line.without(count) for line, count in zip(lines[1:], indents, strict=True)]
        is_paragraph = not (inside[0].is_blank or self._begun(inside, 0))
        first = self._paragraph_end(inside, 0) if is_paragraph else 0
        self.page.tag(f"<li{self._direction(inside[: first or 1])}>")
        if found[2]:
            self.page.show(lines[0].start + found.start(2), lines[0].start + found.end(2), "number")
        write_inline(self.page, inside[:first])
        self.write(inside[first:], depth + 1)
        self.page.skip(lines[-1].end + 1)
        self.page.tag("</li>")

    def _fence(self, lines: Sequence[Line], at: int, _depth: int, found: Found) -> int:
        fence, start, end = found[1], lines[at].start, at + 1
        while end < len(lines) and not signs.closes(lines[end].text.strip(), fence):
            end += 1
        self.page.tag("<pre>")
        words = found[2].split()
        if words:
            self.page.show(start + found.start(2), start + found.end(2), "language")
        self._code(lines[at + 1 : end], words[0] if words else "")
        return self._close("pre", lines, min(end + 1, len(lines)))

    def _indented(self, lines: Sequence[Line], at: int, _depth: int, _found: Found) -> int:
        end = at
        while end < len(lines) and signs.INDENTED.match(lines[end].text):
            end += 1
        self.page.tag("<pre>")
        self._code(lines[at:end], "")
        return self._close("pre", lines, end)

    def _code(self, lines: Sequence[Line], language: str) -> None:
        self.page.tag("<code>")
        write_code(Passage(self.page, lines), language)
        self.page.tag("</code>")

    def _maths_end(self, lines: Sequence[Line], at: int, found: Found) -> int:
        """Past the line that ends the maths begun here; 0 when none does, or this line itself."""
        close = signs.MATHS_END[found[1]]
        is_known = lines[at].start < self.endless.get(close, 0)
        if is_known or close in lines[at].text[found.end() :]:
            return 0
        end = at + 1
        while end < len(lines) and not lines[end].is_blank:
            if close in lines[end].text:
                return end + 1
            end += 1
        self.endless[close] = lines[end - 1].end
        return 0

    def _maths(self, lines: Sequence[Line], at: int, _depth: int, found: Found) -> int:
        return self._as_written(lines, at, self._maths_end(lines, at, found), "maths")

    def _table(self, lines: Sequence[Line], at: int, _depth: int, _found: Found) -> int:
        end = at + 2
        while end < len(lines) and "|" in lines[end].text:
            end += 1
        behind = signs.behind_blanks(lines, end)
        after = lines[behind - 1].end + 1
        self.page.tag(f"<table{self._direction(lines[at:end])}><thead>")
        self._row("th", lines[at], lines[at + 1].end + 1 if at + 2 < end else after)
        self.page.tag("</thead><tbody>")
        for number in range(at + 2, end):
            is_last = number + 1 == end or self.page.is_full
            self._row("td", lines[number], after if is_last else lines[number].end + 1)
            if is_last:
                break
        self.page.tag("</tbody></table>")
        return behind

    def _row(self, tag: str, line: Line, after: int) -> None:
        """As many cells as there are; the last one holds all that stands before `after`."""
        cells = signs.cells(line)
        self.page.tag("<tr>")
        for cell in cells:
            self.page.tag(f"<{tag}{self._direction([cell])}>")
            write_inline(self.page, [cell])
            is_last = cell is cells[-1] or self.page.is_full
            if is_last:
                self.page.skip(after)
            self.page.tag(f"</{tag}>")
            if is_last:
                break
        self.page.tag("</tr>")
