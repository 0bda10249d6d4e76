"""What follows from a blind comparison: the version that people prefer serves, where it decides."""

from annotation.models import Comparison
from annotation.models.policy import ModelVersion
from annotation.selectors.comparisons import Standing, comparisons_of, standing_of
from annotation.services.comparisons import end_comparison
from rewardmodel.services.promotion import let_serve

Status = Comparison.Status


def decide_comparisons() -> None:
    """Ends every comparison of which people are sure, or in which nothing is left to judge."""
    for comparison in Comparison.objects.filter(status=Status.RUNNING).select_related("project"):
        known = comparisons_of(comparison.project).get(pk=comparison.pk)
        decide(known, standing_of(known))


def decide(comparison: Comparison, standing: Standing) -> None:
    if standing.is_decided:
        is_second = standing.wins > standing.losses
        ended = end_comparison(comparison, Status.SECOND if is_second else Status.FIRST)
        # What serves by now may be another than the one it was compared with.
        still_serves = comparison.first.status == ModelVersion.Status.CHAMPION
        if ended and is_second and comparison.promotes and still_serves:
            let_serve(comparison.second)
    elif not standing.open:
        end_comparison(comparison, Status.UNDECIDED)
