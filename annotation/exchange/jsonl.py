"""JSON Lines that are the same bytes for the same rows."""

import json
from collections.abc import Mapping
from typing import Any


def canonical(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
