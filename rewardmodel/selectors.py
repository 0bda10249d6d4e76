"""Reading the loop: where it stands, what is due, its runs and versions, what a run printed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from annotation.exchange.files import read_json
from annotation.lm.model_facts import ModelFacts, UnusableModel, copy_here, facts_of_folder
from annotation.models import PolicyVersion, Project, PromptGroup, Ranking, Snapshot
from annotation.models.policy import ModelVersion
from annotation.selectors.desks import midnight
from annotation.selectors.groups import QueueCounts, queue_counts
from annotation.selectors.policies import champion_policy
from annotation.selectors.projects import active_projects
from annotation.selectors.rankings import current_rankings
from annotation.selectors.uploads import text_folder as text_folder
from config import space
from config.parts import missing_parts
from rewardmodel.models import LiveHead, Promotion, RewardModelVersion, TrainingRun

RECENT_RUNS = 5
SHOWN_PROMOTIONS = 50
FEWEST_RANKINGS = 10  # before a head is fitted while people rank
SILENCE = timedelta(seconds=30)
RELOADS_REST = timedelta(minutes=2)
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


def champion_reward_model(project: Project) -> RewardModelVersion | None:
    return RewardModelVersion.objects.filter(
        project=project, status=ModelVersion.Status.CHAMPION
    ).first()


def learns_from_rankings(project: Project) -> bool:
    """Whether the policy's training reads ranked groups, with a reward model only to judge."""
    chosen = project.policy_settings  # any JSON
    return isinstance(chosen, dict) and chosen.get("algorithm") == "dpo"


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


def kinds_reading(project: Project, snapshot: Snapshot) -> list[TrainingRun.Kind]:
    """The trainings that such a snapshot can be given to. A policy's reads groups where it learns
    straight from rankings, else prompts, which groups have, too."""
    if snapshot.kind == Snapshot.Kind.DEMONSTRATIONS:
        return [Kind.DEMONSTRATIONS]
    if snapshot.kind == Snapshot.Kind.GROUPS:
        return [Kind.REWARD, Kind.POLICY]
    reads_prompts = snapshot.kind == Snapshot.Kind.PROMPTS and not learns_from_rankings(project)
    return [Kind.POLICY] if reads_prompts else []


def trained_on(snapshot: Snapshot) -> QuerySet[TrainingRun]:
    """The runs that read these bytes, the newest first, each with what it made."""
    same = runs_of(snapshot.project).filter(snapshot__sha256=snapshot.sha256)
    return same.filter(snapshot__kind=snapshot.kind)


def policies_of(project: Project) -> QuerySet[PolicyVersion]:
    """The newest first, each with its parent and the run that made it."""
    return project.policyversions.select_related("parent", "produced_by__reward_model")


def last_best_of_n(project: Project) -> TrainingRun | None:
    """The newest report of what the best of n answers are worth."""
    reports = project.runs.filter(kind=Kind.POLICY, metrics__algorithm="best_of_n")
    return reports.filter(status=Status.SUCCEEDED).select_related("reward_model").first()


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
    return TrainingRun.objects.filter(_not_lately("heartbeat_at"), status=Status.RUNNING)


def _not_lately(field: str) -> Q:
    """A time longer ago than SILENCE, or, since the clock was set back, as far in the future."""
    now = timezone.now()
    return Q(**{f"{field}__lt": now - SILENCE}) | Q(**{f"{field}__gt": now + SILENCE})


def startable() -> Q:
    """Queued runs that have room on the disk to go on."""
    return Q(status=Status.QUEUED, room_wanted__lte=space.free_bytes())


def runs_to_pick_up() -> list[int]:
    """Runs that nobody supervises: their worker died, their message was lost, or they waited for
    room on the disk, which there is by now."""
    lost = _not_lately("created_at") & startable()
    found = TrainingRun.objects.filter(lost | Q(pk__in=silent_runs().values("pk")))
    return list(found.values_list("pk", flat=True))


def projects_to_delete() -> QuerySet[Project]:
    """Those that somebody asked to delete, that nobody is deleting, and in which nothing runs."""
    at_work = TrainingRun.objects.filter(status__in=TrainingRun.ACTIVE, project=OuterRef("pk"))
    return Project.objects.filter(~Exists(at_work), _not_lately("deletion_asked_at"))


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
    """Those that came after the last run that learned from them."""
    seen = _reading(project, Kind.DEMONSTRATIONS).aggregate(last=Max("snapshot__created_at"))
    current = project.demonstrations.filter(is_current=True)
    return (current.filter(created_at__gt=seen["last"]) if seen["last"] else current).count()


def _reading(project: Project, kind: TrainingRun.Kind) -> QuerySet[TrainingRun]:
    """The runs that read what there was, and did not end without a version."""
    return project.runs.filter(kind=kind, status__in=(*TrainingRun.ACTIVE, Status.SUCCEEDED))


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
    return bool(live.history) and unranked(project).filter(expected__isnull=True).exists()


def active_run(project: Project) -> TrainingRun | None:
    return project.runs.filter(status__in=TrainingRun.ACTIVE).first()


def training_now() -> TrainingRun | None:
    """A run that keeps an accelerator worker to itself, in whatever project."""
    running = TrainingRun.objects.filter(status=Status.RUNNING).exclude(_not_lately("heartbeat_at"))
    return running.first()


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


def features_folder() -> Path:
    """Where what was read of answers is kept; any of it may be deleted."""
    folder: Path = settings.VAR_FOLDER / "features"
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
