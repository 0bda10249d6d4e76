"""One JSON object that holds all rows: in a list, in one for each split, or by columns."""

import re
from json import JSONDecoder
from typing import Any

from annotation.exchange.reading.json_array import arrays_in

SPLITS = ("train", "validation", "valid", "dev", "eval", "test")
WRAPPERS = {
    *("data", "rows", "records", "examples", "items", "samples", "dataset"),
    *("results", "entries", "instances", *SPLITS),
}

_OBJECT = re.compile(r"[\s,]*\{")
_DECODER = JSONDecoder()


def objects_in(text: str) -> list[str]:
    """The texts of objects that stand one behind the other, over as many lines as they like; just
    the text, where it is anything else."""
    found: list[str] = []
    at = 0
    try:
        while begin := _OBJECT.match(text, at):
            _value, at = _DECODER.raw_decode(text, begin.end() - 1)
            found.append(text[begin.end() - 1 : at])
    except (ValueError, RecursionError):
        return [text]
    return found if not text[at:].strip() else [text]


def rows_named(text: str) -> set[str] | None:
    """The name of the list that holds the rows, in the beginning of an object; None: nobody knows
    its name."""
    usual = [name for name in arrays_in(text) if name in WRAPPERS]
    return {usual[0]} if usual else None


def wrapped_in(value: dict[str, Any]) -> list[Any] | None:
    """The rows; None: the object is one itself."""
    for name in ("prompts", "questions"):
        texts = value.get(name)
        if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts):
            return texts
    lists = {name: value[name] for name in value if name in WRAPPERS and _are_rows(value[name])}
    if lists and (len(lists) == 1 or set(lists) <= set(SPLITS)):
        return [row for rows in lists.values() for row in rows]
    return _by_columns(value)


def _are_rows(value: object) -> bool:
    """And no messages of one conversation."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(row, dict) and not {"role", "from"} & set(row) for row in value)
    )


def _by_columns(value: dict[str, Any]) -> list[Any] | None:
    """As `to_dict` of a data set and pandas' `to_json` write a table: each column's values in a
    list, or by the rows' numbers; or the rows by theirs."""
    columns = list(value.values())
    if len(columns) < 2:
        return None
    if all(isinstance(column, dict) for column in columns):
        if all(name.isdecimal() for name in value):
            return columns
        keys = list(columns[0])
        if not keys or not all(key.isdecimal() for key in keys):
            return None
        columns = [list(column.values()) for column in columns if list(column) == keys]
    is_even = len(columns) == len(value) and all(isinstance(column, list) for column in columns)
    if not is_even or len({len(column) for column in columns}) != 1:
        return None
    if any(isinstance(cell, dict) and {"role", "from"} & set(cell) for c in columns for cell in c):
        return None  # conversations of one row
    return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)] or None


def is_dataset_info(value: Any) -> bool:
    parts = list(value.values()) if isinstance(value, dict) else []
    named = {"file_name", "hf_hub_url", "ms_hub_url", "script_url", "cloud_file_name"}
    return bool(parts) and all(isinstance(part, dict) and named & set(part) for part in parts)
