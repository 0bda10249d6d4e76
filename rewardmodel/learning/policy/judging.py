"""What a reward model says of the answers that a policy has sampled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from annotation.lm.chat import Messages
from annotation.lm.completion import Completion
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.policy.base_reading import BaseReading, finished, read_base
from rewardmodel.learning.reward.probe import LinearProbe
from rewardmodel.learning.reward.scorer import Judged, RewardScorer

if TYPE_CHECKING:
    from rewardmodel.learning.policy.model import AdaptedPolicy


def judge_answers(
    policy: AdaptedPolicy,
    judge: RewardScorer | None,
    prompts: Sequence[Messages],
    groups: Sequence[EncodedGroup],
    sampled: Sequence[Sequence[Completion]],
) -> list[tuple[Judged, BaseReading | None]]:
    """Of each prompt's answers, which are `groups` as tokens; without a judge all scores are 0.

    A head on the policy's own base comes with what that has read of them, in the same pass.
    """
    if judge is None:
        return [(Judged.by_nobody(len(answers)), None) for answers in sampled]
    if judge.reads_base:
        ends = [finished(*each, policy.chat) for each in zip(groups, sampled, strict=True)]
        read = _read_by_base(policy, cast(LinearProbe, judge.model), ends)
        return [(judge.judge_features(each.features), each) for each in read]
    texts = [[completion.text for completion in answers] for answers in sampled]
    asked = list(zip(prompts, texts, strict=True))
    return [(judged, None) for judged in judge.judge(asked, policy.config.tokens_per_batch)]


def _read_by_base(
    policy: AdaptedPolicy, probe: LinearProbe, groups: Sequence[EncodedGroup]
) -> list[BaseReading]:
    pad, tokens = policy.chat.pad, policy.config.tokens_per_batch
    with policy.adapted.disable_adapter():
        return read_base(policy.log_probs, probe, policy.layout, groups, pad, tokens)
