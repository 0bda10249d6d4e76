"""What a training is given by the application: models to start from and to be judged by."""

from typing import Any

from django.conf import settings

from annotation.models import PolicyVersion, Project
from annotation.services.snapshots import take_demonstrations_snapshot
from rewardmodel.learning.configs.reward import SECOND_JUDGE
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import champion_reward_model, features_folder, learns_from_rankings

Kind = TrainingRun.Kind


def shown_answers(project: Project) -> str:
    """A file of what people showed, by which a reward model's scores get their 0; "" without."""
    if not project.demonstrations.filter(is_current=True).exists():
        return ""
    return str(take_demonstrations_snapshot(project).file)


def given(run: TrainingRun, shown: str, *, from_scratch: bool) -> dict[str, Any]:
    """What a run of its kind is told, beside what people chose and where to read and to write.

    `shown` is from `shown_answers`.
    """
    project, policy, judge = run.project, run.policy, run.reward_model
    if run.kind == Kind.REWARD:
        served = champion_reward_model(project)
        folder = "" if served is None else str(served.folder)
        return {
            "base_model": policy.base_model,
            "demonstrations": shown,
            "served": folder,
            "features": str(features_folder()),
        }
    if run.kind == Kind.PRETRAINING:
        return {"base_model": policy.base_model, "demonstrations": shown}
    started = {"base_model": policy.base_model, "adapter": policy.adapter}
    parent = {} if from_scratch else started
    if run.kind == Kind.TEXT:
        return {"stage": str(run.kind), "merge": True, **parent}
    answering = {**parent, "max_new_tokens": project.max_new_tokens}
    if run.kind == Kind.DEMONSTRATIONS:
        return {"stage": str(run.kind), "merge": True, **answering}
    return {
        **answering,
        "reward_model": "" if judge is None else str(judge.folder),
        "heldout_reward_model": _second_judge(project, judge),
        "answers_per_prompt": project.answers_per_group,
        "kl_budget": project.kl_budget,
        "rollout_server": _rollout_server(policy),
    }


def _second_judge(project: Project, judge: RewardModelVersion | None) -> str:
    """The one that was fitted to the labels that the judge did not learn from; "" without, and
    where the policy learns from the rankings themselves, which has seen those labels, too."""
    if judge is None or judge.folder is None or learns_from_rankings(project):
        return ""
    folder = judge.folder / SECOND_JUDGE
    return str(folder) if folder.is_dir() else ""


def _rollout_server(policy: PolicyVersion) -> str:
    """The installation's, for policies on the base model that it serves; else ""."""
    return settings.ROLLOUT_SERVER if policy.base_model == settings.POLICY_MODEL else ""
