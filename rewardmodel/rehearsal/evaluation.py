"""What the true teacher thinks of two policies on prompts that neither was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from annotation.lm.chat import with_system
from annotation.models import PolicyVersion, Project
from rewardmodel.rehearsal.teachers import Messages, Teacher

if TYPE_CHECKING:
    from annotation.lm import chat


@dataclass(frozen=True)
class Trial:
    """A policy's answers to the held-out prompts: scores [prompts, answers], and how they end."""

    scores: NDArray[np.float64]
    ended: float
    mean_tokens: float
    samples: list[str]


def try_policy(
    project: Project,
    policy: PolicyVersion,
    prompts: Sequence[Messages],
    teacher: Teacher,
    answers: int,
    seed: int,
) -> Trial:
    """Samples `answers` answers a prompt at temperature 1, with the same seeds for each policy.

    What they are asked and how long they may be is the project's.
    """
    from annotation.lm.loading import PolicySource, load_policy
    from annotation.lm.sampler import SamplingParameters, sample_groups

    model, tokenizer = load_policy(PolicySource(policy.base_model, policy.adapter))
    parameters = SamplingParameters(max_new_tokens=project.max_new_tokens)
    asked = [
        with_system(cast("chat.Messages", prompt), project.system_prompt) for prompt in prompts
    ]
    groups = sample_groups(model, tokenizer, asked, answers, parameters, seed)
    completions = [completion for group in groups for completion in group]
    return Trial(
        scores=np.array(
            [
                [teacher(prompt, completion.text) for completion in group]
                for prompt, group in zip(prompts, groups, strict=True)
            ]
        ),
        ended=float(np.mean([c.finish_reason == "stop" for c in completions])),
        mean_tokens=float(np.mean([len(c.token_ids) for c in completions])),
        samples=[group[0].text for group in groups],
    )
