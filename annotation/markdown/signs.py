"""What in a line says which block begins, goes on or ends there; no expression goes back."""

import re
from collections.abc import Sequence

from annotation.markdown.source import Line

TAB = 4

FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)[ \t]*+([^`\r]*+)\r?$")
HEADING = re.compile(r" {0,3}(#{1,6}+)(?:[ \t]++|\r?$)")
UNDERLINE = re.compile(r" {0,3}(=|-)\1++[ \t\r]*+$")
RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*+){3,}+|(?:-[ \t]*+){3,}+|(?:_[ \t]*+){3,}+)\r?$")
QUOTE = re.compile(r" {0,3}> ?")
ITEM = re.compile(r"( {0,3})(?:[-*]|(\d{1,9}[.)]))(?:[ \t]{1,4}(?![ \t])|[ \t]|\r?$)")
MATHS = re.compile(r" {0,3}(\$\$|\\\[|\\begin\{)")
MATHS_END = {"$$": "$$", r"\[": r"\]", r"\begin{": r"\end{"}
TABLE = re.compile(r"[^|]*+\|")
DELIMITERS = frozenset("|-: \t\r")
CELL_END = re.compile(r"\\.|\|")
INDENTED = re.compile(r" {4}| {0,3}\t")

Found = re.Match[str]


def behind_blanks(lines: Sequence[Line], at: int) -> int:
    while at < len(lines) and lines[at].is_blank:
        at += 1
    return at


def is_within(line: Line, found: Found) -> bool:
    """Whether what looks like an item belongs to the sentence that the line before begins:
    a number that begins no list, or a sign alone."""
    if found.re is not ITEM:
        return False
    return found.end() == len(line.text) or found[2] not in {None, "1.", "1)"}


def item_end(lines: Sequence[Line], at: int, found: Found) -> int:
    """Items hold what is indented by two columns more, as models write, if not by all of theirs."""
    needed, end = min(found.end(), len(found[1]) + 2), at + 1
    while end < len(lines) and (
        lines[end].is_blank or indent(lines[end].text, needed)[1] >= needed
    ):
        end += 1
    return end


def indent(text: str, columns: int) -> tuple[int, int]:
    """How many characters fill the first `columns` of a line as its indentation, and how many
    columns they are wide."""
    count = width = 0
    while width < columns and text[count : count + 1] in {" ", "\t"}:
        width += 1 if text[count] == " " else TAB - width % TAB
        count += 1
    return count, width


def closes(text: str, fence: str) -> bool:
    return text.startswith(fence) and set(text) == {fence[0]}


def is_delimiter(text: str) -> bool:
    return "|" in text and "-" in text and DELIMITERS.issuperset(text)


def cells(line: Line) -> list[Line]:
    """What stands between the bars, without the space around it; one empty cell at least."""
    cells, start = [], 0
    ends = [bar.start() for bar in CELL_END.finditer(line.text) if bar[0] == "|"]
    for end in [*ends, len(line.text)]:
        text = line.text[start:end]
        words = text.strip()
        cells.append(Line(line.start + start + text.index(words), words))
        start = end + 1
    inner = cells[0 if cells[0].text else 1 : len(cells) if cells[-1].text else -1]
    return inner or cells[-1:]
