"""What follows from a blind comparison: the version that people prefer serves, where it decides."""

from django.db import transaction

from annotation.models import Comparison
from annotation.models.policy import ModelVersion
from annotation.selectors.comparisons import Standing, comparisons_of, standing_of
from annotation.services.comparisons import end_comparison
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Verdict, as_json
from rewardmodel.services.promotion import let_serve, reject

Status = Comparison.Status


def decide_comparisons() -> None:
    """Ends every comparison of which people are sure, or in which nothing is left to judge."""
    for comparison in Comparison.objects.filter(status=Status.RUNNING).select_related("project"):
        known = comparisons_of(comparison.project).get(pk=comparison.pk)
        decide(known, standing_of(known))


@transaction.atomic
def decide(comparison: Comparison, standing: Standing) -> None:
    """Where it promotes, the second serves or is rejected, or its verdict says that people did not
    decide. One that an admin rejected meanwhile stays so."""
    if standing.is_decided:
        is_second = standing.wins > standing.losses
        status = Status.SECOND if is_second else Status.FIRST
    elif standing.open:
        return
    else:
        status = Status.UNDECIDED
    if not end_comparison(comparison, status) or not comparison.promotes:
        return
    second = comparison.second
    if status == Status.SECOND:
        # What serves by now may be another than the one it was compared with.
        still_serves = comparison.first.status == ModelVersion.Status.CHAMPION
        if still_serves and second.status != ModelVersion.Status.REJECTED:
            let_serve(second, comparison=comparison)
    elif status == Status.UNDECIDED or reject(second, comparison=comparison):
        second.gate_reason = as_json(_verdict(comparison, standing, status))
        second.save(update_fields=["gate_reason"])


def _verdict(comparison: Comparison, standing: Standing, status: Comparison.Status) -> Verdict:
    low, high = standing.interval
    values: dict[str, float] = {"first": comparison.first.number, "prompts": standing.judged}
    if standing.win_rate is None:  # nothing was judged, or all are ties
        return Verdict(Code.PEOPLE_SAID_NOTHING, values)
    values |= {"rate": standing.win_rate, "low": low, "high": high}
    is_rejected = status == Status.FIRST
    return Verdict(Code.PEOPLE_PREFER_OTHER if is_rejected else Code.PEOPLE_UNDECIDED, values)
