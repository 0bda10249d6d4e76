"""The rows of a ranked group in a snapshot: its native row, of which what says nothing is left out.

A ranking with an answer that its labeler wrote and placed first has a row of its own, of K + 1
answers: nobody else saw that answer. Everything a judgment says is in them, so that a snapshot
that is imported holds the same judgments (`exchange/shapes/ours.py`).
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from annotation.exchange.writing.native import judgment_row
from annotation.judgment.judgment import RANKING, Judgment
from annotation.judgment.scores import dense_ranks

WRITTEN = "written"  # the finish reason of an answer that a person wrote
UNRATED: Mapping[str, Any] = {"ratings": None, "flags": [], "highlights": []}
"""What each list about the answers holds of one of which nothing is said."""

Compared = Mapping[str, list[list[int]] | None]


def snapshot_rows(
    group: Mapping[str, Any],
    judged: Iterable[tuple[str, Judgment]],
    compared: Compared,
    informed: Container[str] = (),
) -> Iterator[dict[str, Any]]:
    """Of a row without rankings, each labeler's judgment, the pairs that each compared, and which
    of them had read before what the teacher model expected."""
    alike: list[dict[str, Any]] = []
    led: list[dict[str, Any]] = []
    for labeler, judgment in judged:
        row = _ranking_row(labeler, judgment)
        (led if judgment.is_led else alike).append(
            {**row, "informed": True} if labeler in informed else row
        )
    if alike:
        yield {**group, "rankings": [*in_parts(alike, compared)]}
    for number, ranking in enumerate(led):
        row = _led_row(group, [*in_parts([ranking], compared)])
        # Who wrote an answer is said once: it counts once.
        yield {**row, "sources": [{} for _ in row["answers"]]} if alike or number else row


def led_id(group: str, labeler: str) -> str:
    """The name of the row of a ranking that its labeler's own answer leads."""
    return f"{group}-{labeler}"


def _ranking_row(labeler: str, judgment: Judgment) -> dict[str, Any]:
    said = {name: value for name, value in judgment_row(judgment).items() if _is_said(value)}
    return {"labeler": labeler, **said}


def _is_said(value: Any) -> bool:
    return any(value) if isinstance(value, list) else value not in (None, "", False, RANKING)


def _led_row(group: Mapping[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    said = parts[0]
    return {
        **group,
        "id": led_id(group["id"], said["labeler"]),
        "answers": [*group["answers"], said["better"]["text"]],
        "finish_reasons": [*group["finish_reasons"], WRITTEN],
        "sources": [*group["sources"], {}],
        "rankings": [_led(part) for part in parts],
    }


def _led(ranking: dict[str, Any]) -> dict[str, Any]:
    """With its labeler's own answer before all that it ranks."""
    lists = {name: [*ranking[name], empty] for name, empty in UNRATED.items() if name in ranking}
    below = [rank and rank + 1 for rank in ranking["ranks"]]
    return {**ranking, **lists, "ranks": [*below, 1]}


def in_parts(rankings: Iterable[dict[str, Any]], compared: Compared) -> Iterator[dict[str, Any]]:
    """A ranking that says nothing of some pairs as rankings that have no rank for an answer: as one
    where those that are ranked are all compared, else as one for each pair."""
    for row in rankings:
        pairs = compared[row["labeler"]]
        if pairs is None:
            yield row
            continue
        among = sorted({place for pair in pairs for place in pair})
        parts = [among] if 2 * len(pairs) == len(among) * (len(among) - 1) else pairs
        said = row
        for part in parts or [[]]:
            order = dense_ranks([row["ranks"][place] for place in part])
            ranks = dict(zip(part, order, strict=True))
            yield {**said, "ranks": [ranks.get(place) for place in range(len(row["ranks"]))]}
            said = {name: said[name] for name in ("labeler", "ratings", "informed") if name in said}
