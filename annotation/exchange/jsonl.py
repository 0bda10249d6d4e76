"""JSON Lines that are the same bytes for the same rows."""

import json
from collections.abc import Mapping
from typing import Any

import orjson


def canonical(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def as_json(row: Mapping[str, Any]) -> bytes:
    """In the order of its keys, ten times as fast as `canonical`, but not the same bytes for
    every number: for what is written once."""
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # such as a whole number of more than 64 bits
        return canonical(row).encode()


def holds_half_characters(text: str) -> bool:
    """Whether it is not Unicode (a lone surrogate), so that no UTF-8 file and no tokenizer takes
    it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
