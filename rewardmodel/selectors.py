"""Reading the loop: where it stands, what is due, what a run printed."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Max

from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.groups import QueueCounts, queue_counts
from annotation.selectors.progress import midnight
from annotation.selectors.rankings import current_rankings
from rewardmodel.models import RewardModelVersion, TrainingRun


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
    last_run: TrainingRun | None


def champion_policy(project: Project) -> PolicyVersion:
    return project.policyversions.get(status=ModelVersion.Status.CHAMPION)


def champion_reward_model(project: Project) -> RewardModelVersion | None:
    return RewardModelVersion.objects.filter(
        project=project, status=ModelVersion.Status.CHAMPION
    ).first()


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
    run = project.runs.first()
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
        active_run=run if run and run.is_active else None,
        last_run=run
        if run and not run.is_active
        else project.runs.exclude(status__in=TrainingRun.ACTIVE).first(),
    )


def log_tail(run: TrainingRun, lines: int = 40) -> str:
    """The last lines that the training process printed."""
    return tail(run.folder / "log.txt", lines)


def tail(file: Path, lines: int) -> str:
    if not file.is_file():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])
