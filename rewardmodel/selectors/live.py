"""What the head that follows the rankings has not followed yet."""

from datetime import timedelta

from django.db.models import Count, Exists, Max, OuterRef, QuerySet
from django.utils import timezone

from annotation.models import Project, PromptGroup, Ranking
from annotation.selectors.policies import champion_policy
from annotation.selectors.rankings import current_rankings
from rewardmodel.learning.reward.learning_curve import LossCurve, fitted_curve
from rewardmodel.models import LiveHead
from rewardmodel.selectors.due import RETRY_AFTER

FEWEST_RANKINGS = 10  # before a head is fitted while people rank
RELOADS_REST = timedelta(minutes=2)


def loss_curve(live: LiveHead) -> LossCurve | None:
    """Through all that was measured of it so far; None as long as that is too little."""
    return fitted_curve((each["rankings"], each["log_loss"]) for each in live.history)


def rankings_so_far(project: Project) -> tuple[int, int]:
    """How many there are, and the number of the newest; 0 without one."""
    found = current_rankings(project).aggregate(count=Count("id"), last=Max("id"))
    return found["count"], found["last"] or 0


def unranked(project: Project) -> QuerySet[PromptGroup]:
    """Groups ready to rank of which nobody has said anything yet, in the queue's order."""
    said = Ranking.objects.filter(group=OuterRef("pk"), is_current=True)
    ready = project.groups.filter(~Exists(said), status=PromptGroup.Status.READY)
    return ready.select_related("prompt").order_by("id")


def drawn_groups(project: Project) -> QuerySet[PromptGroup]:
    """Those that wait for the answers to be picked that are shown."""
    drawn = project.groups.filter(status=PromptGroup.Status.DRAWN)
    return drawn.select_related("prompt", "project").order_by("id")


def is_behind(project: Project) -> bool:
    """Whether rankings came, or answers, that the project's live head has not followed yet, or
    answers are to be picked.

    It rests after a failure, and where the policy that answers has an adapter, without which the
    head reads: the worker would load one model after the other.
    """
    live = LiveHead.objects.filter(project=project).first() or LiveHead(project=project)
    rest = RETRY_AFTER[0] if live.failure_reason else RELOADS_REST
    is_fresh = live.followed_at is not None and live.followed_at >= timezone.now() - rest
    if is_fresh and live.failure_reason:
        return False
    if drawn_groups(project).exists():
        return True
    if is_fresh and champion_policy(project).adapter:
        return False
    count, newest = rankings_so_far(project)
    if (count, newest) != (live.rankings, live.last_ranking_id):
        return count >= FEWEST_RANKINGS
    return bool(live.recipe) and unranked(project).filter(expected__isnull=True).exists()
