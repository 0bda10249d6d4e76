"""A JSON array of any length, one element's text at a time.

Each element is then read by itself, so that what is wrong with one is said of that one, and the
limits of `untrusted_json` hold for each. A streaming parser would stop at the first, or mend it.
"""

import io
import re
from collections.abc import Container, Iterator

from annotation.exchange.untrusted_json import MOST_CHARACTERS

CHUNK = 1 << 16
_INSIDE = re.compile(r'["\\]')
_NAME = re.compile(r'"(\w+)"\s*:\s*$')
_OUTSIDE = re.compile(r'["\[\]{},]')

Token = tuple[str, str]


class Cut(ValueError):
    """The array does not end, or something follows it."""


def elements(
    file: io.TextIOBase, first: Container[str] | None = None, more: Container[str] = ()
) -> Iterator[str | None]:
    """The texts of the elements of the array that the file is; or, of the object that it is, of the
    first array of objects, with a name in `first` if that is given, and of those after it with a
    name in `more`. None for an element that is too long. Raises Cut."""
    tokens = _tokens(file)
    if next(tokens)[1] == "[":
        yield from _array(tokens, 1, "")
        if any(text.strip() or mark for text, mark in tokens):
            raise Cut
        return
    if not any(_is_wanted(name, first) for name in _arrays(tokens)):
        raise Cut
    yield from _array(tokens, 2, "{")
    while any(name in more for name in _arrays(tokens)):
        yield from _array(tokens, 2, "{")


def arrays_in(text: str) -> list[str]:
    """The names of the arrays of objects in the beginning of an object."""
    tokens = _tokens(io.StringIO(text))
    next(tokens)
    return list(_arrays(tokens))


def _is_wanted(name: str, names: Container[str] | None) -> bool:
    return names is None or name in names


def _arrays(tokens: Iterator[Token]) -> Iterator[str]:
    """The name of each array of objects that is still to come in an object; the first brace in it
    was read then."""
    depth, named = 1, ""
    for text, mark in tokens:
        if named and (mark, text.strip()) == ("{", ""):
            yield named
        found = _NAME.search(text) if depth == 1 and mark == "[" else None
        named = found[1] if found else ""
        depth += (mark in "[{") - (mark in "]}") if mark else 0


def _array(tokens: Iterator[Token], array: int, begin: str) -> Iterator[str | None]:
    """Its elements; `array`: how deep they lie."""
    depth, element = array + len(begin), [begin]
    size = len(begin)
    for text, mark in tokens:
        depth += (mark in "[{") - (mark in "]}") if mark else 0
        if not mark:
            break
        is_end = depth < array or (depth == array and mark == ",")
        size += len(text) + 1
        if size <= MOST_CHARACTERS:
            element.append(text if is_end else text + mark)
        if is_end:
            yield "".join(element).strip() if size <= MOST_CHARACTERS else None
            element, size = [], 0
        if depth < array:
            return
    raise Cut


def _tokens(file: io.TextIOBase) -> Iterator[Token]:
    """Each bracket or comma outside of texts, with what stands before it; the rest at the end."""
    strings, kept = _Strings(), ""
    while chunk := file.read(CHUNK):
        begin = 0
        while (at := strings.next_mark(chunk, begin)) >= 0:
            yield kept + chunk[begin:at], chunk[at]
            kept, begin = "", at + 1
        kept = (kept + chunk[begin:])[: MOST_CHARACTERS + 1]
    yield kept, ""


class _Strings:
    """Where texts begin and end, from one chunk to the next."""

    def __init__(self) -> None:
        self.is_inside = self.is_escaped = False

    def next_mark(self, chunk: str, at: int) -> int:
        """The place of the next bracket or comma; -1: none in this chunk."""
        at += self.is_escaped
        self.is_escaped = False
        while found := (_INSIDE if self.is_inside else _OUTSIDE).search(chunk, at):
            at = found.end()
            if found.group() == "\\":
                self.is_escaped, at = at == len(chunk), at + 1
            elif found.group() == '"':
                self.is_inside = not self.is_inside
            else:
                return found.start()
        return -1
