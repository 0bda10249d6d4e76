"""What starts by itself, when, and what it waits for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from django.db.models import Max, QuerySet
from django.utils import timezone

from annotation.models import Project, Ranking
from annotation.selectors.projects import active_projects
from annotation.selectors.rankings import current_rankings
from rewardmodel.models import RewardModelVersion, TrainingRun

RETRY_AFTER = [timedelta(minutes=minutes) for minutes in (5, 20, 80, 320)]
"""How long the loop waits after the first failure in a row, after the second, and so on."""

Kind, Status = TrainingRun.Kind, TrainingRun.Status


@dataclass(frozen=True)
class Rest:
    """After a run that was cancelled, or failed: what the loop waits for before the next one.

    The time of another try; or, where that is None, that so many more rankings come.
    """

    run: TrainingRun
    failures: int = 0  # in a row
    retry_at: datetime | None = None
    rankings: int = 0


def learns_from_rankings(project: Project) -> bool:
    """Whether the policy's training reads ranked groups, with a reward model only to judge."""
    chosen = project.policy_settings  # any JSON
    return isinstance(chosen, dict) and chosen.get("algorithm") == "dpo"


def automatic_projects() -> list[Project]:
    """Those in which training starts by itself."""
    return list(active_projects().filter(training_is_automatic=True))


def new_rankings(project: Project) -> int:
    """Rankings that no reward model learned from: a run that ended without one gives its back."""
    return _unlearned(project).count()


def _unlearned(project: Project) -> QuerySet[Ranking]:
    seen = _reading(project, Kind.REWARD).aggregate(last=Max("snapshot__last_ranking_id"))
    return current_rankings(project).filter(id__gt=seen["last"] or 0)


def new_demonstrations(project: Project) -> int:
    """Those that came after the last run that learned from them, not from a file from elsewhere."""
    own = _reading(project, Kind.DEMONSTRATIONS).filter(snapshot__is_imported=False)
    seen = own.aggregate(last=Max("snapshot__created_at"))
    current = project.demonstrations.filter(is_current=True)
    return (current.filter(created_at__gt=seen["last"]) if seen["last"] else current).count()


def _reading(project: Project, kind: TrainingRun.Kind) -> QuerySet[TrainingRun]:
    """The runs that read what there was, and did not end without a version."""
    return project.runs.filter(kind=kind, status__in=(*TrainingRun.ACTIVE, Status.SUCCEEDED))


def due_kinds(
    project: Project, judge: RewardModelVersion | None, rankings_new: int
) -> list[TrainingRun.Kind]:
    """What the loop is to start next: an update towards the judge, if none was made yet; a policy
    that follows what people showed, once enough of that is new; a new reward model, once enough
    rankings have come, or at the hour of the day for any that came before."""
    kinds = []
    is_untaught = judge is not None and not judge.runs.exclude(status=Status.FAILED).exists()
    if project.updates_follow and is_untaught:
        kinds.append(Kind.POLICY)
    if 0 < project.demonstrations_threshold <= new_demonstrations(project):
        kinds.append(Kind.DEMONSTRATIONS)
    if rankings_new >= project.training_threshold or (rankings_new and _missed_its_hour(project)):
        kinds.append(Kind.REWARD)
    return kinds


def next_hour(project: Project) -> datetime | None:
    """When the project's hour of the day for training comes next; None where it has none."""
    now = timezone.now()
    return next((moment for moment in _hours(project, (0, 1)) if moment > now), None)


def _last_hour(project: Project) -> datetime | None:
    """When it came last; None where it has none, or had none by then."""
    now = timezone.now()
    last = next((moment for moment in _hours(project, (0, -1)) if moment <= now), None)
    return last if last is not None and last > project.training_daily_since else None


def _hours(project: Project, days: Iterable[int]) -> Iterator[datetime]:
    """That hour of each of the days, by their distance from today, where the project has one."""
    if project.training_daily_at is not None:
        zone = ZoneInfo(project.training_zone)
        today = timezone.now().astimezone(zone).date()
        for distance in days:
            day = today + timedelta(days=distance)
            yield datetime.combine(day, project.training_daily_at, zone)


def _missed_its_hour(project: Project) -> bool:
    """Whether rankings that had come by the last such hour have not been learned from."""
    last = _last_hour(project)
    return last is not None and _unlearned(project).filter(created_at__lte=last).exists()


def rest_before(project: Project, kind: TrainingRun.Kind) -> Rest | None:
    """What the loop waits for before it starts a run of the kind by itself; None: for nothing."""
    last = project.runs.exclude(status__in=TrainingRun.ACTIVE).first()
    if last is not None and last.status == Status.CANCELLED:
        return _until_rankings_came(project, Rest(last))
    newest = project.runs.filter(kind=kind)[: len(RETRY_AFTER) + 1]
    failed = list(takewhile(lambda run: run.status == Status.FAILED, newest))
    if not failed:
        return None
    if len(failed) > len(RETRY_AFTER):
        return _until_rankings_came(project, Rest(failed[0], len(failed)))
    end, wait = _end(failed[0]), RETRY_AFTER[len(failed) - 1]
    is_waiting = end <= timezone.now() < end + wait  # a clock that was set back ends no wait late
    return Rest(failed[0], len(failed), retry_at=end + wait) if is_waiting else None


def _until_rankings_came(project: Project, rest: Rest) -> Rest | None:
    """As many as a training waits for anyway, from the end of the run on."""
    came = current_rankings(project).filter(created_at__gt=_end(rest.run)).count()
    missing = project.training_threshold - came
    return replace(rest, rankings=missing) if missing > 0 else None


def _end(run: TrainingRun) -> datetime:
    return run.finished_at or run.created_at
