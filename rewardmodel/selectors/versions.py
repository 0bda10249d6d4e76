"""Reading versions: where each comes from, which one serves, what its files are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext

from annotation.exchange.files import read_json
from annotation.lm.model_facts import ModelFacts, UnusableModel, copy_here, facts_of_folder
from annotation.models import Comparison, MergedModel, PolicyVersion, Project
from annotation.models.policy import ModelVersion
from annotation.selectors.comparisons import Standing, comparisons_of, standing_of
from annotation.selectors.policies import champion_policy
from rewardmodel.models import Decision, Promotion, Rejection, RewardModelVersion
from rewardmodel.selectors.runs import active_run

Version = PolicyVersion | RewardModelVersion
SHOWN_PROMOTIONS = 50


def champion_reward_model(project: Project) -> RewardModelVersion | None:
    served = RewardModelVersion.objects.filter(project=project, status=ModelVersion.Status.CHAMPION)
    return served.select_related("snapshot").first()


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


def may_be_merged(version: Version) -> bool:
    """Whether it is an adapter: all else is whole already."""
    return isinstance(version, PolicyVersion) and bool(version.path)


def merged_model_of(policy: PolicyVersion) -> MergedModel | None:
    """What was asked for last, or is being made; None where its week is over, or its file gone."""
    last = policy.merged.select_related("policy", "project").first()
    return None if last and last.is_gone else last


@dataclass(frozen=True)
class Descent:
    """A policy and what came of it: reward models that read its base, the comparisons in which it
    was the newer one, and the policies that were taught from it."""

    policy: PolicyVersion
    reward_models: list[RewardModelVersion]
    comparisons: list[Comparison]
    children: list["Descent"]


def family_of(project: Project) -> list[Descent]:
    """The project's versions and comparisons as a tree; four queries whatever its size."""
    policies = list(policies_of(project).order_by("number"))
    known = {policy.pk: Descent(policy, [], [], []) for policy in policies}
    roots: list[Descent] = []
    for policy in policies:
        parent = known.get(policy.parent_id) if policy.parent_id else None
        (parent.children if parent else roots).append(known[policy.pk])
    for model in reward_models_of(project).order_by("number"):
        run = getattr(model, "produced_by", None)
        (known[run.policy_id] if run else roots[0]).reward_models.append(model)
    for comparison in project.comparisons.select_related("first", "second").order_by("pk"):
        known[comparison.second_id].comparisons.append(comparison)
    return roots


def taught_by(version: Version) -> list[tuple[str, Version]]:
    """What was trained from it, read its base, or was judged by it: each by its kind."""
    policies, models = policies_of(version.project), reward_models_of(version.project)
    if isinstance(version, PolicyVersion):
        policies = policies.filter(parent=version)
        models = models.filter(produced_by__policy=version)
    else:
        policies = policies.filter(produced_by__reward_model=version)
        models = models.filter(parent=version)
    found: list[tuple[str, Version]] = [("policy", each) for each in policies]
    return [*found, *(("reward", each) for each in models)]


@dataclass(frozen=True)
class JudgedAnswer:
    """What a reward model makes of an answer, what the one did that served `before`, if any, and
    where each labeler placed it."""

    text: str
    reward: float
    ranks: list[int | None]
    before: float | None = None


def judged_samples(version: Version) -> list[tuple[list[dict[str, str]], list[JudgedAnswer]]]:
    """Of a reward model, some held-out prompts with their answers, the best by its own word first;
    none of a policy, or where its run's folder is gone."""
    run = getattr(version, "produced_by", None)
    if run is None or isinstance(version, PolicyVersion):
        return []
    file = run.folder / "result.json"
    samples = read_json(file)["samples"] if file.is_file() else []
    return [(sample["prompt"], _judged(sample)) for sample in samples]


def _judged(sample: dict[str, Any]) -> list[JudgedAnswer]:
    before = sample.get("rewards_before") or [None] * len(sample["answers"])
    each = enumerate(zip(sample["answers"], sample["rewards"], before, strict=True))
    found = [
        JudgedAnswer(text, reward, [ranks[place] for ranks in sample["rankings"]], then)
        for place, (text, reward, then) in each
    ]
    return sorted(found, key=lambda answer: -answer.reward)


def kind_of(version: Version) -> Decision.Kind:
    """By which, with its number, a decision names it."""
    return Decision.Kind.POLICY if isinstance(version, PolicyVersion) else Decision.Kind.REWARD


def promotions_of(project: Project) -> list[Promotion]:
    """The newest first."""
    return list(project.promotions.select_related("by")[:SHOWN_PROMOTIONS])


def rejection_of(version: Version) -> Rejection | None:
    """Who rejected it, and when; None where it is not rejected."""
    if version.status != ModelVersion.Status.REJECTED:
        return None
    found = version.project.rejections.filter(kind=kind_of(version), number=version.number)
    return found.select_related("by").first()


def promotions_with(version: Version) -> list[Promotion]:
    """Those with which it began or ceased to serve, the newest first."""
    concerned = Q(number=version.number) | Q(instead_of=version.number)
    own = version.project.promotions.filter(concerned, kind=kind_of(version))
    return list(own.select_related("by")[:SHOWN_PROMOTIONS])


def comparisons_with(version: Version) -> list[tuple[Comparison, Standing]]:
    """Those in which it met another one, the newest first, as they stand."""
    if not isinstance(version, PolicyVersion):
        return []
    own = comparisons_of(version.project).filter(Q(first=version) | Q(second=version))
    return [(comparison, standing_of(comparison)) for comparison in own]


def rolled_back(project: Project) -> set[int]:
    """Numbers of the reward models that were taken back, and do not serve again."""
    serving = champion_reward_model(project)
    taken_back = project.promotions.filter(
        kind=Promotion.Kind.REWARD, instead_of__gt=F("number")
    ).values_list("instead_of", flat=True)
    return {number for number in taken_back if number and serving and number != serving.number}


def rests_on_rolled_back(project: Project, taken_back: set[int]) -> set[int]:
    """Numbers of the policies that a reward model taught which was rolled back, see `rolled_back`,
    or that descend from one of these."""
    found: set[int] = set()
    if not taken_back:
        return found
    for policy in policies_of(project).order_by("number"):  # parents first
        run = getattr(policy, "produced_by", None)
        judge = run.reward_model if run else None
        is_taught = judge is not None and judge.number in taken_back
        if is_taught or (policy.parent and policy.parent.number in found):
            found.add(policy.number)
    return found


def files_of(version: ModelVersion) -> Path | None:
    """The folder with a version's own files; None where it is the base model that somebody named,
    or its files are gone."""
    folder = version.folder or Path(version.base_model)
    is_own = folder.is_dir() and folder.resolve().is_relative_to(settings.VAR_FOLDER.resolve())
    return folder if is_own and (version.path or version.sha256) else None


def own_reward_models(project: Project) -> QuerySet[RewardModelVersion]:
    return RewardModelVersion.objects.filter(project_id=project.pk)
