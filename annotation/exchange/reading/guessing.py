"""What the columns of an unknown shape most likely mean, by their names and an example of each."""

import re
from collections.abc import Iterable
from collections.abc import Mapping as Columns
from typing import Any

from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.shapes import names
from annotation.exchange.shapes.winner import number_of

_MANY = (names.ANSWER, names.RANK, names.GRADE, names.AUTHOR, names.IGNORED)
_JUDGED = {names.WINNER, names.ORDER, names.RANK, names.GRADE, names.GOOD}

_NUMBER = re.compile(r"(?<![\w.-])\d(?=(?:\.0)?(?![\w.]))")


def guessed(columns: Columns[str, str], label: str = "") -> Mapping:
    """Of what there can be one of, the column with the most usual name. `label`: the column that
    is one, whatever it is called."""
    found = {name: names.GOOD if name == label else names.meaning_of(name) for name in columns}
    for meaning in set(found.values()) - set(_MANY):
        named = [name for name, its in found.items() if its == meaning]
        for name in sorted(named, key=names.rarity_of)[1:]:
            found[name] = names.IGNORED
    meanings, answers = set(found.values()), [n for n, its in found.items() if its == names.ANSWER]
    if {names.TEXT, names.PROMPT} <= meanings:
        found = _instead(found, names.TEXT, names.IGNORED)
    if len(answers) == 1 and not meanings & _JUDGED and columns[answers[0]][:1] not in ("[", "{"):
        found = _instead(found, names.ANSWER, names.DEMONSTRATION)
    if len(answers) > 1:
        found = _with_winner(found)
    return Mapping(found)


def counted_from(mapping: Mapping, rows: Iterable[Columns[str, Any]]) -> int | None:
    """The number of the first answer, 0 or 1, as it most likely is; None where the rows name no
    answer by a number."""
    said = mapping.of(names.WINNER) + mapping.of(names.ORDER)
    cells = [str(row.get(name))[:100] for name in said for row in rows]
    numbers = {number for cell in cells for number in _NUMBER.findall(cell)}
    if not numbers:
        return None
    own = set(map(number_of, mapping.of(names.ANSWER)))
    return 0 if "0" in numbers or ("0" in own and numbers <= own) else 1


def _with_winner(found: dict[str, str]) -> dict[str, str]:
    """Beside several answers, a column named “preferred” or “label” says which one is."""
    meanings = set(found.values())
    if names.WINNER in meanings:
        return found
    if len({names.CHOSEN, names.REJECTED} & meanings) == 1:
        return _instead(found, names.CHOSEN, names.WINNER)
    return found if names.CHOSEN in meanings else _instead(found, names.GOOD, names.WINNER)


def _instead(found: dict[str, str], meaning: str, other: str) -> dict[str, str]:
    return {name: other if its == meaning else its for name, its in found.items()}
