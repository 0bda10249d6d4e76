"""Whole rounds of the loop: generate, rank, train, update, and ask the true teacher."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from rewardmodel.rehearsal.evaluation import Trial, try_policy
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.rehearsal.statistics import bootstrap, win_rate
from rewardmodel.rehearsal.teachers import Teacher
from rewardmodel.services import start_policy_run, start_reward_run

LOOK_EVERY = 1.0  # seconds
Say = Callable[[str], None]


class RehearsalStopped(Exception):
    """A sentence that says why the rehearsal cannot go on."""


@dataclass(frozen=True)
class Plan:
    """What is rehearsed."""

    teacher_name: str
    teacher: Teacher
    rounds: int
    prompts: Sequence[NewPrompt]
    labelers: int
    noise: float
    heldout_answers: int
    seed: int
    project: dict[str, Any] = field(default_factory=dict)


def rehearse(plan: Plan, say: Say) -> tuple[Project, list[dict[str, Any]]]:
    """Plays the rounds in a project of their own; returns it with one report a round.

    Raises RehearsalStopped when no worker answers or a step fails.
    """
    _require_worker()
    project, labelers = _open_project(plan)
    heldout = list(
        project.prompts.filter(split=Prompt.Split.HELDOUT).values_list("messages", flat=True)
    )
    trained = project.prompts.filter(split=Prompt.Split.TRAIN).count()
    if not heldout or not trained:
        raise RehearsalStopped(
            f"{trained} prompts to train on and {len(heldout)} held out: give more prompts."
        )
    say(f"Project {project.slug}: {trained} prompts to train on, {len(heldout)} held out.")
    base_policy = champion_policy(project)

    def trial(policy: PolicyVersion) -> Trial:
        say(f"The teacher judges {policy} on held-out prompts.")
        return try_policy(project, policy, heldout, plan.teacher, plan.heldout_answers, plan.seed)

    base = newest = trial(base_policy)
    reports = []
    generator = random.Random(plan.seed)
    for number in range(1, plan.rounds + 1):
        began = time.monotonic()
        say(f"Round {number}: the worker generates answers.")
        _generate(project, say)
        rankings = rank_everything(project, labelers, plan.teacher, plan.noise, generator)
        say(f"Round {number}: {rankings} rankings stored; the reward model trains.")
        reward_run = _finished(start_reward_run(project), say)
        policy_run = None
        if _passed(reward_run):
            say(f"Round {number}: the policy is updated.")
            policy_run = _finished(start_policy_run(project), say)
            if _passed(policy_run):
                newest = trial(champion_policy(project))
        reports.append(
            {
                "round": number,
                "seconds": round(time.monotonic() - began, 1),
                "rankings": rankings,
                "reward_model": _reported(reward_run),
                "policy": _reported(policy_run) if policy_run else None,
                "true_teacher": _compared(base, newest),
            }
        )
    reports[-1]["samples"] = [
        {"prompt": messages[-1]["content"], "base": before, "newest": after}
        for messages, before, after in zip(heldout, base.samples, newest.samples, strict=True)
    ]
    return project, reports


def _reported(run: TrainingRun) -> dict[str, Any]:
    return {"gate": _reason(run), **run.metrics}


def _reason(run: TrainingRun) -> str:
    return word(from_json(run.reason)) if run.reason else ""


def _compared(base: Trial, newest: Trial) -> dict[str, Any]:
    return {
        "base": vars(bootstrap(base.scores)),
        "newest": vars(bootstrap(newest.scores)),
        "difference": vars(bootstrap(newest.scores - base.scores)),
        "win_rate": win_rate(newest.scores, base.scores),
        "ended": {"base": base.ended, "newest": newest.ended},
        "mean_tokens": {"base": base.mean_tokens, "newest": newest.mean_tokens},
    }


def _require_worker() -> None:
    queues = app.control.inspect(timeout=5.0).active_queues() or {}
    names = {queue["name"] for worker in queues.values() for queue in worker}
    if "accelerator" not in names:
        raise RehearsalStopped(
            "No worker listens on the accelerator queue: start one with `make up` and try again."
        )


def _open_project(plan: Plan) -> tuple[Project, list[User]]:
    slug = f"rehearsal-{timezone.now():%Y%m%d-%H%M%S}"
    owner = User.objects.create_user(f"{slug}-owner")
    project = Project(
        name=f"Rehearsal {timezone.localtime():%Y-%m-%d %H:%M:%S}",
        slug=slug,
        overlap=plan.labelers,
        queue_target=len(plan.prompts),
        training_is_automatic=False,
        **plan.project,
    )
    project.reward_settings = {"seed": plan.seed, **project.reward_settings}
    project.policy_settings = {"seed": plan.seed, **project.policy_settings}
    project.full_clean()
    create_project(project, owner)
    add_prompts(project, plan.prompts)
    return project, hire(project, plan.labelers)


def _generate(project: Project, say: Say) -> None:
    """Waits until every group that the policy was asked for is answered or failed."""
    ask_for_answers(project)
    status = PromptGroup.Status
    said = -1
    while left := project.groups.filter(status__in=(status.PENDING, status.GENERATING)).count():
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
