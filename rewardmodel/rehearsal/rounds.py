"""Whole rounds of the loop: generate, rank, train, update, and ask the true teacher."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from annotation.exchange.prompts import NewPrompt
from annotation.models import PolicyVersion, Project, Prompt, PromptGroup, User
from annotation.selectors.policies import champion_policy
from annotation.services.generation import ask_for_answers, call_worker
from annotation.services.projects import create_project
from annotation.services.prompts import add_prompts
from config.celery import app
from rewardmodel.learning.core.gate import from_json, word
from rewardmodel.models import TrainingRun
from rewardmodel.rehearsal.evaluation import Answered, answer, compared, judge
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.rehearsal.teachers import Teacher
from rewardmodel.services import as_run_takes_it, start_policy_run, start_reward_run

LOOK_EVERY = 1.0  # seconds
Say = Callable[[str], None]


class RehearsalStopped(Exception):
    """A sentence that says why the rehearsal cannot go on."""


@dataclass(frozen=True)
class Plan:
    """What is rehearsed: `rounds` of at most `rankings` rankings each, of all groups without.

    `then` is the teacher of the second half of the rounds: one that changes its mind. `length_bias`
    and `noise` are the labelers' own, see `rank_everything`.
    """

    teacher: Teacher
    rounds: int
    prompts: Sequence[NewPrompt]
    labelers: int = 1
    overlap: int = 1
    rankings: int | None = None
    noise: float = 0.0
    length_bias: float = 0.0
    then: Teacher | None = None
    heldout_answers: int = 8
    seed: int = 0
    project: dict[str, Any] = field(default_factory=dict)

    def teacher_of(self, number: int) -> Teacher:
        """In round `number`, from 1."""
        return self.then if self.then and number > self.rounds / 2 else self.teacher


def rehearse(plan: Plan, say: Say) -> dict[str, Any]:
    """Plays the rounds in a project of their own; returns what came of each, with the base model
    and the seed by which the answers were drawn that are judged.

    The teacher judges answers that are drawn anew by each rehearsal, to prompts that are trained
    on by none. Raises RehearsalStopped when no worker answers or a step fails.
    """
    _require_worker()
    rehearsal = _Rehearsal(plan, say)
    rounds = [rehearsal.play(number) for number in range(1, plan.rounds + 1)]
    rounds[-1]["samples"] = rehearsal.samples()
    base_model = Path(rehearsal.policies[0].base_model).name
    return {"base_model": base_model, "drawn_by": rehearsal.drawn_by, "rounds": rounds}


class _Rehearsal:
    """One project, from its base model on; `policies` are those that served before round 1 and
    after each, `answered` their answers to the held-out prompts."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan, self.say = plan, say
        self.project, self.labelers = _open_project(plan)
        prompts = self.project.prompts
        held = prompts.filter(split=Prompt.Split.HELDOUT)
        self.heldout = list(held.values_list("messages", flat=True))
        trained = prompts.filter(split=Prompt.Split.TRAIN).count()
        counted = f"{trained} prompts to train on and {len(self.heldout)} held out"
        if not self.heldout or not trained:
            raise RehearsalStopped(f"{counted}: give more prompts.")
        say(f"Project {self.project.slug}: {counted}.")
        self.noise = random.Random(plan.seed)
        self.drawn_by = random.SystemRandom().getrandbits(31)
        self.policies: list[PolicyVersion] = []
        self.answered: dict[int, Answered] = {}
        self.rankings = 0
        self._remember_champion()

    def play(self, number: int) -> dict[str, Any]:
        """Round `number`, from 1: what came of it."""
        began = time.monotonic()
        plan, teacher = self.plan, self.plan.teacher_of(number)
        self.say(f"Round {number}: the worker generates answers.")
        _generate(self.project, self.say)
        rankings = rank_everything(
            self.project,
            self.labelers,
            teacher,
            plan.noise,
            self.noise,
            length_bias=plan.length_bias,
            most=plan.rankings,
        )
        self.rankings += rankings
        self.say(f"Round {number}: {rankings} rankings stored; the reward model trains.")
        reward_run, policy_run = self._train()
        seconds = time.monotonic() - began
        self.say(f"Round {number}: the teacher judges held-out answers.")
        self._remember_champion()
        seen = (self.policies[0], *self.policies[-2:])
        trials = [judge(teacher, self.heldout, self.answered[policy.pk]) for policy in seen]
        return {
            "round": number,
            "seconds": round(seconds, 1),
            "rankings": rankings,
            "rankings_so_far": self.rankings,
            "reward_model": _reported(reward_run),
            "policy": _reported(policy_run) if policy_run else None,
            "true_teacher": compared(*trials),
        }

    def _train(self) -> tuple[TrainingRun, TrainingRun | None]:
        reward_run = _finished(start_reward_run(self.project), self.say)
        if not _passed(reward_run):
            return reward_run, None
        return reward_run, _finished(start_policy_run(self.project), self.say)

    def _remember_champion(self) -> None:
        policy = champion_policy(self.project)
        self.policies.append(policy)
        if policy.pk not in self.answered:
            count = self.plan.heldout_answers
            found = answer(self.project, policy, self.heldout, count, self.drawn_by)
            self.answered[policy.pk] = found

    def samples(self) -> list[dict[str, str]]:
        """Of each held-out prompt, the first answer of the base and of the newest policy."""
        base, newest = (self.answered[self.policies[place].pk].texts for place in (0, -1))
        return [
            {"prompt": messages[-1]["content"], "base": first[0], "newest": last[0]}
            for messages, first, last in zip(self.heldout, base, newest, strict=True)
        ]


def _reported(run: TrainingRun) -> dict[str, Any]:
    return {"gate": _reason(run), **run.metrics}


def _reason(run: TrainingRun) -> str:
    return word(from_json(run.reason)) if run.reason else ""


def _require_worker() -> None:
    queues = app.control.inspect(timeout=5.0).active_queues() or {}
    names = {queue["name"] for worker in queues.values() for queue in worker}
    if "accelerator" not in names:
        raise RehearsalStopped(
            "No worker listens on the accelerator queue: start one with `make up` and try again."
        )


def project_of(plan: Plan) -> Project:
    """The project in which it is played, which is not stored yet. Raises RehearsalStopped where
    what is planned for it does not fit."""
    project = Project(
        name=f"Rehearsal {timezone.localtime():%Y-%m-%d %H:%M:%S}",
        slug=f"rehearsal-{timezone.now():%Y%m%d-%H%M%S}",
        overlap=plan.overlap,
        queue_target=plan.rankings // plan.overlap if plan.rankings else len(plan.prompts),
        training_is_automatic=False,
        **plan.project,
    )
    project.reward_settings = {"seed": plan.seed, **project.reward_settings}
    project.policy_settings = {"seed": plan.seed, **project.policy_settings}
    try:
        project.full_clean()
        for kind in (TrainingRun.Kind.REWARD, TrainingRun.Kind.POLICY):
            as_run_takes_it(project, kind, getattr(project, f"{kind}_settings"))
    except ValidationError as error:
        raise RehearsalStopped(_said(error)) from error
    except ValueError as error:
        raise RehearsalStopped(str(error)) from error
    return project


def _said(error: ValidationError) -> str:
    """Its sentences, each with the name of the field that it is about."""
    return " ".join(
        f"{field.replace('_', ' ')}: {sentence}"
        for field, sentences in error.message_dict.items()
        for sentence in sentences
    )


def _open_project(plan: Plan) -> tuple[Project, list[User]]:
    project = project_of(plan)
    owner = User.objects.create_user(f"{project.slug}-owner")
    create_project(project, owner)
    add_prompts(project, plan.prompts)
    return project, hire(project, plan.labelers)


def _generate(project: Project, say: Say) -> None:
    """Waits until every group that the policy was asked for is answered or failed."""
    ask_for_answers(project)
    status = PromptGroup.Status
    waiting = (status.PENDING, status.GENERATING, status.DRAWN)
    said = -1
    while left := project.groups.filter(status__in=waiting).count():
        if not project.groups.filter(status=status.GENERATING).exists():
            call_worker(project.pk)
        if left != said:
            say(f"  {left} groups wait for answers")
            said = left
        time.sleep(LOOK_EVERY)
    failed = project.groups.filter(status=PromptGroup.Status.FAILED)
    for group in failed:
        say(f"  group {group.pk} failed: {group.failure_reason}")
    if failed.count() == project.groups.count():
        raise RehearsalStopped(f"No group was answered: {failed[0].failure_reason}")


def _finished(run: TrainingRun, say: Say) -> TrainingRun:
    """Waits for the worker to end the run, telling its progress."""
    said = ""
    while run.is_active:
        time.sleep(LOOK_EVERY)
        run.refresh_from_db()
        now = f"  run {run.pk}: {run.phase or run.status} {run.step}/{run.total_steps}"
        if now != said:
            say(now)
            said = now
    if run.status != TrainingRun.Status.SUCCEEDED:
        raise RehearsalStopped(f"Run {run.pk} {run.status}: {_reason(run)}")
    say(f"  {_reason(run)}")
    return run


def _passed(run: TrainingRun) -> bool:
    version = run.produced_reward_model or run.produced_policy
    return version is not None and version.status == version.Status.CHAMPION
