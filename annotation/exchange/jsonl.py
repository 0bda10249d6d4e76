"""JSON Lines that are the same bytes for the same rows."""

import json
from collections.abc import Mapping
from typing import Any


def canonical(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def holds_half_characters(text: str) -> bool:
    """Whether it is not Unicode (a lone surrogate), so that no UTF-8 file and no tokenizer takes
    it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
