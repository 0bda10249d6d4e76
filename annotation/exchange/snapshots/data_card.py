"""What the rows of a snapshot hold, in figures: the part of its data card that the file says."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean, median
from typing import Any

from annotation.exchange.split import prompt_key
from annotation.exchange.writing.narrowing import is_uninformed, is_whole
from annotation.exchange.writing.snapshot_rows import WRITTEN
from annotation.judgment.agreement import AS_SAID, pairs_agreed

Row = Mapping[str, Any]


@dataclass
class DataCard:
    """Figures of the rows that were added; lengths are in characters, shares from 0 to 1."""

    rows: int = 0
    answers: int = 0
    rankings: int = 0
    written: int = 0
    pairs: int = 0
    tied: int = 0
    agreed: int = 0
    both_ordered: int = 0
    prompts: set[str] = field(default_factory=set)
    labelers: set[str] = field(default_factory=set)
    splits: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    group_sizes: Counter[str] = field(default_factory=Counter)
    policies: Counter[str] = field(default_factory=Counter)
    authors: Counter[str] = field(default_factory=Counter)
    prompt_lengths: "array[int]" = field(default_factory=lambda: array("I"))
    answer_lengths: "array[int]" = field(default_factory=lambda: array("I"))

    def add(self, row: Row) -> None:
        """A row of groups, prompts or demonstrations, as training reads it."""
        messages = row.get("messages")
        prompt = row["prompt"] if messages is None else messages[:-1]
        answers = row.get("answers", [] if messages is None else [messages[-1]["content"]])
        self.rows += 1
        self.prompts.add(prompt_key(prompt))
        self.splits[str(row.get("split", ""))] += 1
        self.languages[str(row.get("lang") or "")] += 1
        self.prompt_lengths.append(sum(len(message["content"]) for message in prompt))
        self.answers += len(answers)
        self.answer_lengths.extend(map(len, answers))
        if "answers" in row:
            self.group_sizes[str(len(answers))] += 1
        self.written += list(row.get("finish_reasons") or []).count(WRITTEN)
        self._add_sources(row.get("sources") or [])
        self._add_rankings(row.get("rankings") or [], is_as_said=row.get("picked", "") in AS_SAID)

    def _add_sources(self, sources: Iterable[Row]) -> None:
        for source in sources:
            if source.get("policy") is not None:
                self.policies[str(source["policy"])] += 1
            elif source.get("author"):
                self.authors[str(source["author"])] += 1

    def _add_rankings(self, rankings: list[Row], *, is_as_said: bool) -> None:
        labelers = {str(ranking.get("labeler", "")) for ranking in rankings}
        self.labelers |= labelers
        self.rankings += len(labelers)
        for ranking in rankings:
            ranks = [rank for rank in ranking["ranks"] if rank is not None]
            self.pairs += len(ranks) * (len(ranks) - 1) // 2
            self.tied += sum(n * (n - 1) // 2 for n in Counter(ranks).values())
        counted = [each for each in rankings if is_as_said and is_uninformed(each)]
        whole = [ranking["ranks"] for ranking in counted if is_whole(ranking)]
        for one, other in combinations(whole, 2):
            same, compared = pairs_agreed(one, other)
            self.agreed, self.both_ordered = self.agreed + same, self.both_ordered + compared

    def as_json(self) -> dict[str, Any]:
        """`agreement` is of the pairs that two labelers both put in an order, in groups whose
        answers were not picked for what they tell, or are worth, and who had not read before what
        the teacher model expected; None: there is none.
        `ties`, of all pairs that somebody compared, is the share that is tied."""
        return {
            "rows": self.rows,
            "prompts": len(self.prompts),
            "answers": self.answers,
            "written": self.written,
            "rankings": self.rankings,
            "labelers": len(self.labelers),
            "pairs": self.pairs,
            "ties": self.tied / self.pairs if self.pairs else None,
            "agreement": self.agreed / self.both_ordered if self.both_ordered else None,
            "agreement_pairs": self.both_ordered,
            "splits": dict(self.splits.most_common()),
            "languages": dict(self.languages.most_common()),
            "group_sizes": dict(sorted(self.group_sizes.items())),
            "policies": dict(self.policies.most_common()),
            "authors": dict(self.authors.most_common()),
            "prompt_characters": _lengths(self.prompt_lengths),
            "answer_characters": _lengths(self.answer_lengths),
        }


def _lengths(found: "array[int]") -> dict[str, float] | None:
    if not found:
        return None
    return {"median": median(found), "mean": fmean(found), "longest": max(found)}
