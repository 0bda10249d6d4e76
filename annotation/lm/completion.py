"""One sampled answer, wherever it was sampled. Imports no torch: the database's side reads it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Completion:
    """`token_ids` include the end token when the answer is finished.

    `seed` alone samples it again for the same prompt and parameters.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: Literal["stop", "length"]
    seed: int

    @property
    def has_ended(self) -> bool:
        """By itself, not at the longest length."""
        return self.finish_reason == "stop"
