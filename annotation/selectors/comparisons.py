"""How comparisons stand."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from annotation.judgment.win_rate import interval, is_decided
from annotation.models import (
    Comparison,
    PolicyVersion,
    Project,
    Prompt,
    PromptGroup,
    Ranking,
)


@dataclass(frozen=True)
class Standing:
    """Prompts by what people said of the two answers: the second is better, the first, neither;
    and how many nobody has judged yet."""

    wins: int = 0
    losses: int = 0
    ties: int = 0
    open: int = 0

    def __add__(self, other: "Standing") -> "Standing":
        return Standing(
            self.wins + other.wins,
            self.losses + other.losses,
            self.ties + other.ties,
            self.open + other.open,
        )

    @property
    def turned(self) -> "Standing":
        return Standing(self.losses, self.wins, self.ties, self.open)

    @property
    def judged(self) -> int:
        return self.wins + self.losses + self.ties

    @property
    def win_rate(self) -> float | None:
        """Of the second, among prompts of which one answer is better."""
        decided = self.wins + self.losses
        return self.wins / decided if decided else None

    @property
    def interval(self) -> tuple[float, float]:
        return interval(self.wins, self.losses)

    @property
    def is_decided(self) -> bool:
        return is_decided(self.wins, self.losses)


def comparisons_of(project: Project) -> QuerySet[Comparison]:
    """The newest first, each with its versions, and `groups`, as far as they are for labelers, with
    their current rankings."""
    current = Ranking.objects.filter(is_current=True)
    for_labelers = PromptGroup.objects.filter(is_for_judge=False)
    groups = for_labelers.prefetch_related(Prefetch("rankings", current, to_attr="current"))
    return project.comparisons.select_related("first", "second", "started_by").prefetch_related(
        Prefetch("groups", groups)
    )


def standing_of(comparison: Comparison) -> Standing:
    """Of one of `comparisons_of`."""
    found = Standing()
    for group in comparison.groups.all():
        said = said_of(group)
        if said is not None:
            found += Standing(wins=int(said > 0), losses=int(said < 0), ties=int(said == 0))
        elif group.status not in (PromptGroup.Status.WITHDRAWN, PromptGroup.Status.FAILED):
            found += Standing(open=1)
    return found


def said_of(group: PromptGroup) -> int | None:
    """What people said of a group of `comparisons_of`: 1 where the second answer is better, -1
    where the first is, 0 for neither, None where nobody has judged it. Several labelers' words
    count together, as one."""
    rankings: list[Ranking] = getattr(group, "current")  # noqa: B009 (prefetched attribute)
    if not rankings:
        return None
    said = sum(_sign(ranking.ranks) for ranking in rankings)
    return (said > 0) - (said < 0)


def _sign(ranks: list[int]) -> int:
    """1 where the second answer stands before the first."""
    first, second = ranks[:2]
    return (first > second) - (first < second)


def met(comparisons: Iterable[Comparison]) -> dict[tuple[int, int], Standing]:
    """By two versions' numbers, how the second fares against the first, over all comparisons."""
    found: dict[tuple[int, int], Standing] = {}
    for comparison in comparisons:
        standing = standing_of(comparison)
        pair = (comparison.first.number, comparison.second.number)
        for key, each in ((pair, standing), (pair[::-1], standing.turned)):
            found[key] = found.get(key, Standing()) + each
    return found


def prompts_to_compare(
    project: Project, first: PolicyVersion, second: PolicyVersion
) -> QuerySet[Prompt]:
    """Held-out prompts on which the two have not met before people, in an order that has nothing to
    do with what they say."""
    known = PromptGroup.objects.filter(
        prompt=OuterRef("pk"),
        is_for_judge=False,
        comparison__first__in=(first, second),
        comparison__second__in=(first, second),
    )
    heldout = project.prompts.filter(~Exists(known), split=Prompt.Split.HELDOUT, is_withdrawn=False)
    return heldout.order_by("key")
