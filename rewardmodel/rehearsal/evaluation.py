"""What the true teacher thinks of policies, on prompts that none of them was trained on.

Django is asked for only by who has a project: bench/follow.py does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from annotation.lm.chat import with_system
from rewardmodel.rehearsal.statistics import bootstrap, win_at_equal_length, win_interval
from rewardmodel.rehearsal.teachers import Messages, Teacher

if TYPE_CHECKING:
    from annotation.lm import chat
    from annotation.lm.loading import PolicySource
    from annotation.models import PolicyVersion, Project


@dataclass(frozen=True)
class Answered:
    """A policy's answers to the held-out prompts, their tokens [prompts, answers], and the share
    that ended by itself."""

    texts: list[list[str]]
    tokens: NDArray[np.float64]
    ended: float


@dataclass(frozen=True)
class Trial:
    """What a teacher thinks of a policy's answers: scores [prompts, answers]."""

    answered: Answered
    scores: NDArray[np.float64]


def answer(
    project: Project, policy: PolicyVersion, prompts: Sequence[Messages], answers: int, seed: int
) -> Answered:
    """So many answers a prompt at temperature 1, with the same seeds for each policy.

    What they are asked and how long they may be is the project's.
    """
    from annotation.lm.loading import PolicySource

    asked = [
        with_system(cast("chat.Messages", prompt), project.system_prompt) for prompt in prompts
    ]
    source = PolicySource(policy.base_model, policy.adapter)
    return sampled(source, asked, answers, project.max_new_tokens, seed)


def sampled(
    source: PolicySource,
    prompts: Sequence[chat.Messages],
    answers: int,
    max_new_tokens: int,
    seed: int,
) -> Answered:
    """So many answers a prompt at temperature 1."""
    from annotation.lm.loading import load_policy
    from annotation.lm.sampler import SamplingParameters, sample_groups

    model, tokenizer = load_policy(source)
    parameters = SamplingParameters(max_new_tokens=max_new_tokens)
    groups = sample_groups(model, tokenizer, prompts, answers, parameters, seed)
    return Answered(
        texts=[[completion.text for completion in group] for group in groups],
        tokens=np.array([[float(len(c.token_ids)) for c in group] for group in groups]),
        ended=float(np.mean([c.has_ended for group in groups for c in group])),
    )


def judge(teacher: Teacher, prompts: Sequence[Messages], answered: Answered) -> Trial:
    scores = [
        [teacher(prompt, text) for text in texts]
        for prompt, texts in zip(prompts, answered.texts, strict=True)
    ]
    return Trial(answered, np.array(scores))


def compared(base: Trial, before: Trial, newest: Trial) -> dict[str, Any]:
    """The newest policy against the base and against the one of the round before."""
    lengths = newest.answered.tokens, base.answered.tokens
    alike = win_at_equal_length(newest.scores, base.scores, *lengths)
    return {
        "scores": {"base": float(base.scores.mean()), "newest": float(newest.scores.mean())},
        "difference": vars(bootstrap(newest.scores - base.scores)),
        "wins": vars(win_interval(newest.scores, base.scores)),
        "wins_at_equal_length": vars(alike) if alike else None,
        "wins_over_the_round_before": vars(win_interval(newest.scores, before.scores)),
        "ended": {"base": base.answered.ended, "newest": newest.answered.ended},
        "mean_tokens": {
            "base": float(base.answered.tokens.mean()),
            "newest": float(newest.answered.tokens.mean()),
        },
    }
