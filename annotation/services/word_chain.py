"""Looking into policies, step by step: asked by a page, answered by the accelerator worker."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from redis import RedisError

from annotation.lm.chat import with_system
from annotation.models import PolicyVersion, Project
from annotation.services.asking import Answer, Question, answer_waiting, ask

logger = logging.getLogger(__name__)

BOX = "word-chain"
TASK = "annotation.tasks.look_into_policies"


def look(
    project: Project,
    versions: Sequence[PolicyVersion],
    *,
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
    how: Mapping[str, float],
    patience: float,
) -> Answer | None:
    """What each version makes of the token after `tokens`; None: ask again. Raises one of AWAY."""
    question = _question(project, versions, prompt, is_chat, tokens)
    return ask(BOX, TASK, {**question, "way": "step", "how": dict(how)}, patience)


def sweep(
    project: Project,
    version: PolicyVersion,
    *,
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
    settled: int,
    patience: float,
) -> Answer | None:
    """One pass over all positions; None: ask again. Raises one of AWAY."""
    question = _question(project, [version], prompt, is_chat, tokens)
    return ask(BOX, TASK, {**question, "way": "sweep", "settled": settled}, patience)


def answer_lookers() -> None:
    """In the worker, when it is free and between two steps of what else it does."""
    from annotation.lm.warm import warm_policy
    from annotation.lm.word_chain import answer

    answer_waiting(BOX, partial(answer, warm=warm_policy))


class BetweenSteps:
    """For a batch to call after each step; it does not wait for a Redis that is away."""

    def __init__(self) -> None:
        self.can_be_asked = True

    def __call__(self, *_progress: int) -> None:
        if self.can_be_asked:
            try:
                answer_lookers()
            except RedisError as problem:
                logger.warning("Nobody can ask about policies: %s", problem)
                self.can_be_asked = False


def _question(
    project: Project,
    versions: Sequence[PolicyVersion],
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
) -> Question:
    """The model reads what it would to answer the prompt in the project's queue."""
    messages = with_system([{"role": "user", "content": prompt}], project.system_prompt)
    sources = [{"base_model": each.base_model, "adapter": each.adapter} for each in versions]
    return {
        "sources": sources,
        "messages": messages,
        "is_chat": is_chat,
        "tokens": list(tokens),
    }
