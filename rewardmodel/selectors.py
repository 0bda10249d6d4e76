"""Reading the loop: where it stands, what is due, its runs and versions, what a run printed."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.desks import midnight
from annotation.selectors.groups import QueueCounts, queue_counts
from annotation.selectors.projects import active_projects
from annotation.selectors.rankings import current_rankings
from rewardmodel.models import RewardModelVersion, TrainingRun

RECENT_RUNS = 5
SILENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class LoopStatus:
    """The loop of one project as it stands."""

    queue: QueueCounts
    rankings_today: int
    rankings_total: int
    rankings_new: int
    training_threshold: int
    reward_model: RewardModelVersion | None
    last_reward_model: RewardModelVersion | None
    policy: PolicyVersion
    ancestors: list[PolicyVersion]
    demonstrations: int
    has_text: bool
    active_run: TrainingRun | None
    recent_runs: list[TrainingRun]


def champion_reward_model(project: Project) -> RewardModelVersion | None:
    return RewardModelVersion.objects.filter(
        project=project, status=ModelVersion.Status.CHAMPION
    ).first()


def policies_of(project: Project) -> QuerySet[PolicyVersion]:
    """The newest first, each with its parent and the run that made it."""
    return project.policyversions.select_related("parent", "produced_by__reward_model")


def reward_models_of(project: Project) -> QuerySet[RewardModelVersion]:
    """The newest first, each with its parent, its run and what it learned from."""
    return own_reward_models(project).select_related("parent", "produced_by", "snapshot")


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
    return TrainingRun.objects.filter(
        status=TrainingRun.Status.RUNNING, heartbeat_at__lt=timezone.now() - SILENCE
    )


def runs_to_pick_up() -> list[int]:
    """Runs that nobody supervises: their worker died, or their message was lost."""
    lost = Q(status=TrainingRun.Status.QUEUED, created_at__lt=timezone.now() - SILENCE)
    found = TrainingRun.objects.filter(lost | Q(pk__in=silent_runs().values("pk")))
    return list(found.values_list("pk", flat=True))


def automatic_projects() -> list[Project]:
    """Those in which training starts by itself."""
    return list(active_projects().filter(training_is_automatic=True))


def new_rankings(project: Project) -> int:
    """Rankings that no training run has seen yet."""
    seen = TrainingRun.objects.filter(project=project, kind=TrainingRun.Kind.REWARD).aggregate(
        last=Max("snapshot__last_ranking_id")
    )
    return current_rankings(project).filter(id__gt=seen["last"] or 0).count()


def active_run(project: Project) -> TrainingRun | None:
    return project.runs.filter(status__in=TrainingRun.ACTIVE).first()


def text_folder(project: Project) -> Path:
    """Where raw text for the project is put."""
    folder: Path = settings.VAR_FOLDER / "texts" / project.slug
    return folder


def own_texts(project: Project) -> list[Path]:
    """The files and folders of raw text that were put there for the project, by name."""
    folder = text_folder(project)
    return sorted(folder.iterdir()) if project.pk and folder.is_dir() else []


def own_reward_models(project: Project) -> QuerySet[RewardModelVersion]:
    return RewardModelVersion.objects.filter(project_id=project.pk)


def loop_status(project: Project) -> LoopStatus:
    """A fixed number of queries, whatever the size of the project."""
    rankings = current_rankings(project)
    policies = {policy.pk: policy for policy in project.policyversions.all()}
    policy = next(p for p in policies.values() if p.status == ModelVersion.Status.CHAMPION)
    ancestors, parent_id = [], policy.parent_id
    while parent_id is not None:
        ancestors.append(policies[parent_id])
        parent_id = policies[parent_id].parent_id
    reward_models = list(RewardModelVersion.objects.filter(project=project))
    runs = list(project.runs.all()[:RECENT_RUNS])
    return LoopStatus(
        queue=queue_counts(project),
        rankings_today=rankings.filter(created_at__gte=midnight()).count(),
        rankings_total=rankings.count(),
        rankings_new=new_rankings(project),
        training_threshold=project.training_threshold,
        reward_model=next(
            (m for m in reward_models if m.status == ModelVersion.Status.CHAMPION), None
        ),
        last_reward_model=reward_models[0] if reward_models else None,
        policy=policy,
        ancestors=ancestors,
        demonstrations=project.demonstrations.filter(is_current=True).count(),
        has_text=text_folder(project).is_dir(),
        active_run=next((run for run in runs if run.is_active), None),
        recent_runs=runs,
    )


def log_tail(run: TrainingRun, lines: int = 40) -> str:
    """The last lines that the training process printed."""
    file = run.folder / "log.txt"
    if not file.is_file():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
