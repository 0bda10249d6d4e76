"""Where the loop of a project stands."""

from dataclasses import dataclass

from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.desks import midnight
from annotation.selectors.groups import QueueCounts, queue_counts
from annotation.selectors.rankings import current_rankings
from annotation.selectors.uploads import text_folder
from config import space
from config.parts import missing_parts
from rewardmodel.models import LiveHead, RewardModelVersion, TrainingRun
from rewardmodel.selectors.due import (
    Rest,
    due_kinds,
    learns_from_rankings,
    new_rankings,
    rest_before,
)

RECENT_RUNS = 5


@dataclass(frozen=True)
class LoopStatus:
    """The loop of one project as it stands."""

    queue: QueueCounts
    rankings_today: int
    rankings_total: int
    rankings_new: int
    training_threshold: int
    live: LiveHead | None
    reward_model: RewardModelVersion | None
    last_reward_model: RewardModelVersion | None
    policy: PolicyVersion
    policy_has_a_teacher: bool  # a reward model, or rankings where it learns straight from them
    ancestors: list[PolicyVersion]
    taught: int
    demonstrations: int
    has_text: bool
    active_run: TrainingRun | None
    recent_runs: list[TrainingRun]
    due: list[TrainingRun.Kind]  # what is to start next by itself
    rest: Rest | None  # why nothing starts although something is due
    missing: list[str]  # parts of the installation, as config.parts names them
    free_gigabytes: float
    room_is_scarce: bool


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
    judge = next((m for m in reward_models if m.status == ModelVersion.Status.CHAMPION), None)
    rankings_total, rankings_new = rankings.count(), new_rankings(project)
    runs = list(project.runs.all()[:RECENT_RUNS])
    due = due_kinds(project, judge, rankings_new)
    rests = [rest_before(project, kind) for kind in due]
    free = space.free_bytes()
    return LoopStatus(
        queue=queue_counts(project),
        rankings_today=rankings.filter(created_at__gte=midnight()).count(),
        rankings_total=rankings_total,
        rankings_new=rankings_new,
        training_threshold=project.training_threshold,
        live=LiveHead.objects.filter(project=project).first(),
        reward_model=judge,
        last_reward_model=reward_models[0] if reward_models else None,
        policy=policy,
        policy_has_a_teacher=bool(rankings_total if learns_from_rankings(project) else judge),
        ancestors=ancestors,
        taught=sum(policy.parent_id is not None for policy in policies.values()),
        demonstrations=project.demonstrations.filter(is_current=True).count(),
        has_text=text_folder(project).is_dir(),
        active_run=next((run for run in runs if run.is_active), None),
        recent_runs=runs,
        due=due,
        rest=rests[0] if rests and all(rests) else None,
        missing=missing_parts(),
        free_gigabytes=free / 1e9,
        room_is_scarce=free < space.SCARCE,
    )
