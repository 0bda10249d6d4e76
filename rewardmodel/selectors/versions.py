"""Reading versions: where each comes from, which one serves, what its files are."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils.translation import gettext

from annotation.lm.model_facts import ModelFacts, UnusableModel, copy_here, facts_of_folder
from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.policies import champion_policy
from rewardmodel.models import Promotion, RewardModelVersion
from rewardmodel.selectors.runs import active_run

SHOWN_PROMOTIONS = 50


def champion_reward_model(project: Project) -> RewardModelVersion | None:
    return RewardModelVersion.objects.filter(
        project=project, status=ModelVersion.Status.CHAMPION
    ).first()


def may_change_base_model(project: Project) -> bool:
    """As long as no version builds on it, and no run is about to."""
    has_learned = own_reward_models(project).exists() or active_run(project) is not None
    return not has_learned and not project.policyversions.filter(parent__isnull=False).exists()


@dataclass(frozen=True)
class BaseModel:
    """What a project began with: its facts, or why it cannot be used; neither where its files are
    not here."""

    name: str
    facts: ModelFacts | None = None
    problem: str = ""  # in the language of the page


def base_model_of(project: Project) -> BaseModel:
    """Of what serves; no network is asked."""
    policy = champion_policy(project)
    name = policy.base_model
    try:
        folder = Path(name) if Path(name).is_dir() else copy_here(name)
        return BaseModel(name, facts_of_folder(folder) if folder else None)
    except UnusableModel as problem:
        return BaseModel(name, problem=problem.worded(gettext))


def policies_of(project: Project) -> QuerySet[PolicyVersion]:
    """The newest first, each with its parent and the run that made it."""
    return project.policyversions.select_related("parent", "produced_by__reward_model")


def reward_models_of(project: Project) -> QuerySet[RewardModelVersion]:
    """The newest first, each with its parent, its run and what it learned from."""
    return own_reward_models(project).select_related("parent", "produced_by", "snapshot")


@dataclass(frozen=True)
class Descent:
    """A policy and what was taught from it."""

    policy: PolicyVersion
    children: list["Descent"]


def family_of(project: Project) -> list[Descent]:
    """The project's policies as a tree; two queries whatever its size."""
    policies = list(policies_of(project).order_by("number"))
    known = {policy.pk: Descent(policy, []) for policy in policies}
    roots: list[Descent] = []
    for policy in policies:
        parent = known.get(policy.parent_id) if policy.parent_id else None
        (parent.children if parent else roots).append(known[policy.pk])
    return roots


def taught_by(version: PolicyVersion | RewardModelVersion) -> list[PolicyVersion]:
    """The policies that were trained from it, or towards what it prefers."""
    own = policies_of(version.project)
    if isinstance(version, PolicyVersion):
        return list(own.filter(parent=version))
    return list(own.filter(produced_by__reward_model=version))


def promotions_of(project: Project) -> list[Promotion]:
    """The newest first."""
    return list(project.promotions.select_related("by")[:SHOWN_PROMOTIONS])


def rolled_back(project: Project) -> set[int]:
    """Numbers of the reward models that were taken back, and do not serve again."""
    serving = champion_reward_model(project)
    taken_back = project.promotions.filter(
        kind=Promotion.Kind.REWARD, instead_of__gt=F("number")
    ).values_list("instead_of", flat=True)
    return {number for number in taken_back if number and serving and number != serving.number}


def files_of(version: ModelVersion) -> Path | None:
    """The folder with a version's own files; None where it is the base model that somebody named,
    or its files are gone."""
    folder = version.folder or Path(version.base_model)
    is_own = folder.is_dir() and folder.resolve().is_relative_to(settings.VAR_FOLDER.resolve())
    return folder if is_own and (version.path or version.sha256) else None


def own_reward_models(project: Project) -> QuerySet[RewardModelVersion]:
    return RewardModelVersion.objects.filter(project_id=project.pk)
