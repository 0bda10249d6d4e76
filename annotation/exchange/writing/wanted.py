"""What of a project's judgments is to be taken out."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from annotation.exchange.writing.narrowing import agreement_in, with_consensus, without_ties
from annotation.exchange.writing.native import Row

Judgments = Literal["each", "consensus"]


@dataclass(frozen=True)
class Wanted:
    """Empty fields leave everything in. `since` and `until` are of rankings, `until` is not in.

    `gold`: only rankings that the imported file marked as gold.

    `agreement`: of a group's labelers at least; a group that one alone ranked has none.
    """

    labeler: int | None = None
    policy: int | None = None
    language: str = ""
    tag: str = ""
    split: str = ""
    since: datetime | None = None
    until: datetime | None = None
    agreement: float | None = None
    ties: bool = True
    gold: bool = False
    judgments: Judgments = "each"

    @property
    def looks_at_orders(self) -> bool:
        """Whether only a row itself tells that it is wanted."""
        return self.agreement is not None or not self.ties

    def as_json(self) -> dict[str, Any]:
        found = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        for name in ("since", "until"):
            if name in found:
                found[name] = found[name].isoformat()
        return found

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Wanted":
        fields = dict(found)
        for name in ("since", "until"):
            if name in found:
                fields[name] = datetime.fromisoformat(found[name])
        return cls(**fields)

    def of(self, group: Row) -> Row | None:
        """What is wanted of a native group; None: nothing."""
        if self.agreement is not None:
            agreed = agreement_in(group)
            if agreed is None or agreed < self.agreement:
                return None
        if self.judgments == "consensus":
            group = with_consensus(group)
        if not self.ties:
            group = without_ties(group)
        return group if group["rankings"] else None
