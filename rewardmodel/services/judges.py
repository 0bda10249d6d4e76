"""Who can judge the two answers of a group beside people: a reward model, or the judge server."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.utils.translation import gettext_noop

from annotation.exchange.wording import Unreadable
from annotation.lm.chat import Message
from annotation.models import PromptGroup
from annotation.services.looking import BetweenSteps
from rewardmodel.models import RewardModelVersion
from rewardmodel.services.text_scores import TOKENS_PER_PASS, warm_scorer

logger = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds that the judge server has for one verdict: some answer one by one
BROKEN = gettext_noop("The reward model cannot judge: {problem}")
NO_SERVER = gettext_noop("The installation names no judge server any more.")


class JudgeFailed(Unreadable):
    """A sentence says why a judge has no word."""


@dataclass(frozen=True)
class Verdict:
    """As `JudgedPair` has it."""

    preference: float
    heard: list[int | None] = field(default_factory=list)


def has_server() -> bool:
    return bool(settings.JUDGE_SERVER and settings.JUDGE_MODEL)


def by_server(model: str, groups: Sequence[PromptGroup]) -> Iterator[Verdict]:
    """Raises JudgeFailed."""
    from annotation.lm.judge_server import JudgeServer, preference
    from annotation.lm.openai_server import ServerUnavailable

    pairs = [_pair(group) for group in groups]
    if not has_server():
        raise JudgeFailed(NO_SERVER)
    try:
        server = JudgeServer(settings.JUDGE_SERVER, model, PATIENCE, settings.JUDGE_API_KEY)
        for heard in server.compare(pairs):
            yield Verdict(preference(heard), list(heard))
    except ServerUnavailable as problem:
        raise JudgeFailed(problem.template, **problem.values) from problem


def _pair(group: PromptGroup) -> tuple[list[Message], str, str]:
    first, second = (answer.text for answer in group.answers.all())
    return group.messages, first, second


def by_reward_model(
    version: RewardModelVersion, groups: Sequence[PromptGroup]
) -> Iterator[Verdict]:
    """In the accelerator worker. Raises JudgeFailed."""
    import torch

    from annotation.lm.chat import ChatError
    from annotation.lm.loading import DAMAGE, PolicyUnavailable, brief

    between = BetweenSteps()
    try:
        base, scorer = warm_scorer(str(version.folder), version.base_model)
        for group in groups:
            messages, *answers = _pair(group)
            with torch.no_grad(), base.read_as(None):
                [scores] = scorer.raw_scores([(messages, answers)], TOKENS_PER_PASS)
            yield Verdict(float((scores[1] - scores[0]).sigmoid()))
            between()
    except (PolicyUnavailable, ChatError) as problem:
        raise JudgeFailed(problem.template, **problem.values) from problem
    except DAMAGE as problem:
        logger.exception("%s does not judge", version)
        raise JudgeFailed(BROKEN, problem=brief(problem)) from problem
