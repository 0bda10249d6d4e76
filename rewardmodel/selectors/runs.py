"""Reading runs: which is at work, which nobody supervises, what one printed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.exchange.files import read_json
from annotation.models import Project
from annotation.selectors.jobs import KINDS, jobs_in_hands
from annotation.selectors.uploads import text_folder
from config import space
from rewardmodel.models import TrainingRun

SILENCE = timedelta(seconds=30)
KEPT = timedelta(days=7)
"""How long there is what a run without a version left: to look into, or to go on from."""

Kind, Status = TrainingRun.Kind, TrainingRun.Status


def runs_of(project: Project) -> QuerySet[TrainingRun]:
    """The newest first, each with what it read and what it made."""
    return project.runs.select_related(
        "snapshot",
        "policy",
        "reward_model",
        "produced_policy",
        "produced_reward_model",
        "started_by",
    )


def silent_runs() -> QuerySet[TrainingRun]:
    """Running runs whose supervisor is silent."""
    return TrainingRun.objects.filter(not_lately("heartbeat_at"), status=Status.RUNNING)


def not_lately(field: str) -> Q:
    """A time longer ago than SILENCE, or, since the clock was set back, as far in the future."""
    now = timezone.now()
    return Q(**{f"{field}__lt": now - SILENCE}) | Q(**{f"{field}__gt": now + SILENCE})


def startable() -> Q:
    """Queued runs that have room on the disk to go on."""
    return Q(status=Status.QUEUED, room_wanted__lte=space.free_bytes())


def runs_to_pick_up() -> list[int]:
    """Runs that nobody supervises: their worker died, their message was lost, or they waited for
    room on the disk, which there is by now."""
    lost = not_lately("created_at") & startable()
    found = TrainingRun.objects.filter(lost | Q(pk__in=silent_runs().values("pk")))
    return list(found.values_list("pk", flat=True))


def projects_to_delete() -> QuerySet[Project]:
    """Those that somebody asked to delete, that nobody is deleting, and in which nothing runs."""
    at_work = TrainingRun.objects.filter(status__in=TrainingRun.ACTIVE, project=OuterRef("pk"))
    found = Project.objects.filter(~Exists(at_work), not_lately("deletion_asked_at"))
    for jobs in KINDS:
        found = found.exclude(Exists(jobs_in_hands(jobs).filter(project=OuterRef("pk"))))
    return found


def cancelled_lately() -> Q:
    """Runs that may go on: they were cancelled, and what they go on from is kept."""
    return Q(status=Status.CANCELLED, finished_at__gte=timezone.now() - KEPT)


def may_go_on(run: TrainingRun) -> bool:
    is_cancelled = run.status == Status.CANCELLED
    return is_cancelled and TrainingRun.objects.filter(cancelled_lately(), pk=run.pk).exists()


def active_run(project: Project) -> TrainingRun | None:
    return project.runs.filter(status__in=TrainingRun.ACTIVE).first()


def training_now() -> TrainingRun | None:
    """A run that keeps an accelerator worker to itself, in whatever project."""
    running = TrainingRun.objects.filter(status=Status.RUNNING).exclude(not_lately("heartbeat_at"))
    return running.first()


def features_folder() -> Path:
    """Where what was read of answers is kept; any of it may be deleted."""
    folder: Path = settings.VAR_FOLDER / "features"
    return folder


def own_texts(project: Project) -> list[Path]:
    """The files and folders of raw text that were put there for the project, by name."""
    folder = text_folder(project)
    return sorted(folder.iterdir()) if project.pk and folder.is_dir() else []


def full_config(run: TrainingRun) -> dict[str, Any]:
    """As it ran, defaults included; before it began, what it was given."""
    file = run.folder / "config.json"
    return read_json(file) if file.is_file() else dict(run.config)


def log_tail(run: TrainingRun, lines: int = 40) -> str:
    """The last lines that the training process printed."""
    file = run.folder / "log.txt"
    if not file.is_file():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def last_pretraining(project: Project) -> TrainingRun | None:
    """The newest report of what pretraining helps."""
    return runs_of(project).filter(kind=Kind.PRETRAINING, status=Status.SUCCEEDED).first()


def last_best_of_n(project: Project) -> TrainingRun | None:
    """The newest report of what the best of n answers are worth."""
    reports = project.runs.filter(kind=Kind.POLICY, metrics__algorithm="best_of_n")
    return reports.filter(status=Status.SUCCEEDED).select_related("reward_model").first()
