"""Which prompts are held out: decided by a hash of the prompt, so that no stage can disagree."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Literal

Split = Literal["train", "heldout"]


def prompt_key(messages: Sequence[Mapping[str, object]]) -> str:
    """Hex SHA-256 of the prompt's canonical JSON: roles and contents only, in order."""
    canonical = [{"content": message["content"], "role": message["role"]} for message in messages]
    text = json.dumps(canonical, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def half_of(key: str) -> Literal[1, 2]:
    """In which half of all prompts a key is, whatever its split."""
    return 1 if int(key, 16) // 100 % 2 else 2


def split_of(key: str, heldout_percent: int) -> Split:
    """The split of a prompt key; about `heldout_percent` of all keys are held out."""
    return "heldout" if int(key, 16) % 100 < heldout_percent else "train"
