"""From pending groups to stored answers. Runs in the accelerator worker: imports torch late."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import cast

from annotation.lm.chat import with_system
from annotation.models import PolicyVersion, Project, PromptGroup
from annotation.services import groups as group_service
from annotation.services.calling import call_after_commit
from annotation.services.looking import BetweenSteps
from annotation.services.repeated import repeated
from config.celery import app

RENEW_EVERY = 15.0
MESSAGE_LIFE = 60  # seconds; beat sends another one before long


def ask_for_answers(project: Project) -> int:
    """Tops up the project's queue and calls the accelerator worker; how many groups now wait.

    A broker that does not answer only delays the work: beat asks again.
    """
    waiting = group_service.top_up(project)
    if waiting:
        call_after_commit(call_worker, project.pk)
    return waiting


def call_worker(project_id: int) -> None:
    app.send_task("annotation.tasks.generate_answers", (project_id,), expires=MESSAGE_LIFE)


def answer_pending_groups(project_id: int, limit: int) -> int:
    """Claims up to `limit` groups and answers them; returns how many were claimed.

    What a model or its machine cannot do becomes the groups' reason of failure. Anything else is
    a mistake in the code: the groups fail with it too, and it is raised for the log.
    """
    claimed = group_service.claim_groups(project_id, limit)
    if not claimed:
        return 0
    renew = partial(group_service.renew_claim, claimed[0])  # and of its batch
    with repeated(renew, RENEW_EVERY, claimed[0]):
        try:
            _answer(claimed)
        except Exception as problem:
            for group in claimed:
                group_service.fail_group(group, f"{type(problem).__name__}: {problem}")
            raise
    return len(claimed)


def _answer(groups: Sequence[PromptGroup]) -> None:
    """Answers groups of one policy in one batch."""
    from annotation.lm.answers import AnswerFailure, AnswerRequest, answer_groups
    from annotation.lm.loading import PolicySource, PolicyUnavailable
    from annotation.lm.sampler import SamplingParameters
    from annotation.lm.warm import warm_policy

    project = groups[0].project
    policy = cast(PolicyVersion, groups[0].policy)  # a group that waits for answers has one
    parameters = SamplingParameters(
        temperature=project.temperature,
        top_p=project.top_p,
        max_new_tokens=project.max_new_tokens,
    )
    requests = [
        AnswerRequest(
            prompt=with_system(group.prompt.messages, project.system_prompt),
            count=group_service.answers_to_draw(group),
            seed=group.seed,
        )
        for group in groups
    ]
    try:
        model, tokenizer = warm_policy.get(PolicySource(policy.base_model, policy.adapter))
        answered = answer_groups(model, tokenizer, requests, parameters, BetweenSteps())
    except PolicyUnavailable as problem:
        for group in groups:
            group_service.fail_group(group, str(problem))
        return
    for group, answers in zip(groups, answered, strict=True):
        if isinstance(answers, AnswerFailure):
            group_service.fail_group(group, answers.reason)
        else:
            group_service.store_answers(
                group,
                answers,
                sampling=asdict(parameters),
                system_prompt=project.system_prompt,
            )
