"""How a judge model's word on a comparison stands beside people's."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.judgment.agreement import Accord, accord
from annotation.judgment.prediction_powered import Estimate, combined_share, share_of
from annotation.models import Answer, Comparison, Prompt, PromptGroup
from annotation.selectors.claims import run_out
from annotation.selectors.comparisons import prompts_to_compare, said_of
from rewardmodel.models import JudgedPair, Judging

Status = PromptGroup.Status
FEWEST_ALONE = 2  # pairs that only the judge judged, without which there is nothing to combine


@dataclass(frozen=True)
class JudgingStanding:
    """`judged` of `wanted` pairs. Shares are of the second version, a tie counting one half;
    `combined` is None as long as people, or the judge alone, have judged too few.

    `accord` is with people, `strict` where neither saw a tie; `turned`: how often a verdict turned
    with the order, None for a judge that reads one answer at a time; `unread`: verdicts that could
    not be read, of pairs with one that could; `left_out`: pairs without any.
    """

    judged: int
    wanted: int
    people: Estimate | None
    judge: Estimate | None
    combined: Estimate | None
    accord: Accord | None
    strict: Accord | None
    turned: float | None
    unread: int
    left_out: int


def judging_standing(judging: Judging, comparison: Comparison) -> JudgingStanding:
    """`comparison` is one of `comparisons_of`."""
    known = list(judging.pairs.values_list("group_id", "preference", "heard"))
    read = [pair for pair in known if pair[2] != JudgedPair.UNREAD]
    preferred = {group: preference for group, preference, _ in read}
    words = {group.pk: said_of(group) for group in comparison.groups.all()}
    said = {group: word for group, word in words.items() if word is not None}
    both = [group for group in preferred if group in said]
    people = [(1 + word) / 2 for word in said.values()]
    on_both = [preferred[group] for group in both]
    alone = [preference for group, preference in preferred.items() if group not in said]
    combined = None
    if both and len(alone) >= FEWEST_ALONE:
        combined = combined_share([(1 + said[group]) / 2 for group in both], on_both, alone)
    pairs = [(said[group], _sign(preferred[group])) for group in both]
    heard = [words for _, _, words in read if words]
    return JudgingStanding(
        judged=len(known),
        wanted=len(known) + unjudged_pairs(judging).count() + _to_be_answered(judging).count(),
        people=share_of(people) if people else None,
        judge=share_of(list(preferred.values())) if preferred else None,
        combined=combined,
        accord=accord(pairs),
        strict=accord([pair for pair in pairs if all(pair)]),
        turned=sum(one != other for one, other in heard) / len(heard) if heard else None,
        unread=sum(words.count(None) for words in heard),
        left_out=len(known) - len(read),
    )


def _sign(preference: float) -> int:
    return (preference > 0.5) - (preference < 0.5)


def is_free() -> Q:
    """It goes on, no worker is at it, and it does not rest after a failure."""
    return Q(status=Judging.Status.RUNNING) & (Q(claimed_until__isnull=True) | run_out())


def free_judgings() -> QuerySet[Judging]:
    return Judging.objects.filter(is_free()).order_by("id")


def unjudged_pairs(judging: Judging) -> QuerySet[PromptGroup]:
    """Answered by both versions; those before people come first."""
    second = Answer.objects.filter(group=OuterRef("pk"), position=1)
    known = JudgedPair.objects.filter(judging=judging, group=OuterRef("pk"))
    groups = PromptGroup.objects.filter(Exists(second), ~Exists(known))
    pairs = groups.filter(comparison=judging.comparison_id).select_related("prompt")
    return pairs.prefetch_related("answers").order_by("is_for_judge", "id")


def is_done(judging: Judging) -> bool:
    return not (unjudged_pairs(judging).exists() or _to_be_answered(judging).exists())


def _to_be_answered(judging: Judging) -> QuerySet[PromptGroup]:
    """Groups that may become pairs."""
    again = Q(status=Status.FAILED, attempts__lt=PromptGroup.MAX_ATTEMPTS)
    waits = again | Q(status__in=(Status.PENDING, Status.GENERATING))
    return PromptGroup.objects.filter(waits, comparison=judging.comparison_id)


def prompts_to_judge(comparison: Comparison) -> QuerySet[Prompt]:
    """Held-out ones on which the two have not met."""
    met = PromptGroup.objects.filter(comparison=comparison, prompt=OuterRef("pk"))
    versions = comparison.first, comparison.second
    return prompts_to_compare(comparison.project, *versions).filter(~Exists(met))
