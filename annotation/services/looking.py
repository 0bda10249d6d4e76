"""Looking into policies: asked by a page, answered by the accelerator worker."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from redis import RedisError

from annotation.models import PolicyVersion
from annotation.services.asking import Question, answer_waiting

logger = logging.getLogger(__name__)

BOX = "policies"
TASK = "annotation.tasks.look_into_policies"


def answer_lookers() -> None:
    """In the worker, when it is free and between two steps of what else it does."""
    from annotation.lm.asked import answer, asked_next
    from annotation.lm.warm import warm_policy

    answer_waiting(BOX, partial(answer, warm=warm_policy), asked_next)


ANSWERERS: list[Callable[[], None]] = [answer_lookers]
"""Who answers between two steps of a batch; whoever answers of another package adds it."""


class BetweenSteps:
    """For a batch to call after each step; it does not wait for a Redis that is away."""

    def __init__(self) -> None:
        self.can_be_asked = True

    def __call__(self, *_progress: int) -> None:
        if self.can_be_asked:
            try:
                for answer_some in ANSWERERS:
                    answer_some()
            except RedisError as problem:
                logger.warning("Nobody can ask the worker: %s", problem)
                self.can_be_asked = False


def sources(versions: Sequence[PolicyVersion]) -> list[Question]:
    """As a question names them."""
    return [{"base_model": each.base_model, "adapter": each.adapter} for each in versions]
