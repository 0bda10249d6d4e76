"""A saved reward model of either kind, as whoever wants answers judged uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from annotation.lm.chat import Chat, Messages
from annotation.lm.context import within_context
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import PolicyUnavailable, load_tokenizer
from rewardmodel.learning.core.group_packing import EncodedGroup, truncate
from rewardmodel.learning.reward.model import (
    RewardModel,
    encode,
    load_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.probe import BACKBONE, LinearProbe, is_probe, load_probe

SMALLEST = 1e-6  # deviation


@dataclass(frozen=True)
class Judged:
    """One group's K answers: normalised rewards, and how unsure the model is of each, in the same
    unit, against the mean of the group's. A model without a posterior says 0."""

    scores: Float[Tensor, " K"]
    deviations: Float[Tensor, " K"]


class RewardScorer:
    """Scores have the mean and the deviation that the folder names."""

    def __init__(self, folder: str, device: torch.device) -> None:
        """Raises PolicyUnavailable when the folder holds no reward model."""
        self.folder = folder
        self.model: RewardModel | LinearProbe
        if is_probe(folder):
            self.chat = Chat(load_tokenizer(str(Path(folder, BACKBONE))))
            self.model, self.mean, self.std = load_probe(folder)
        else:
            self.chat = Chat(load_tokenizer(folder))
            self.model, self.mean, self.std = load_reward_model(folder)
        self.model.network.to(device)  # type: ignore[arg-type]
        self.model.eval()
        use_onednn(self.model)
        self.group_tokens = within_context(self.model.network, self.model.group_tokens)
        self.layout = self.model.choose_layout(self.group_tokens)

    def scores(
        self, groups: Sequence[tuple[Messages, Sequence[str]]], tokens: int
    ) -> list[Float[Tensor, " K"]]:
        """Normalised rewards of each prompt's K answers, on the CPU.

        Raises PolicyUnavailable where one is not finite.
        """
        return [judged.scores for judged in self.judge(groups, tokens)]

    def raw_scores(
        self, groups: Sequence[tuple[Messages, Sequence[str]]], tokens: int
    ) -> list[Float[Tensor, " K"]]:
        """As the model gives them: sigmoid(s_i - s_j) is the chance that i is preferred."""
        return [self.mean + max(self.std, SMALLEST) * each for each in self.scores(groups, tokens)]

    def judge(self, groups: Sequence[tuple[Messages, Sequence[str]]], tokens: int) -> list[Judged]:
        """As `scores`, with deviations; `tokens` bounds one forward pass."""
        encoded = [truncate(encode(self.chat, *group), self.group_tokens) for group in groups]
        scale = max(self.std, SMALLEST)
        found = []
        for raw, deviations in self._raw(encoded, tokens):
            if not raw.isfinite().all():
                raise PolicyUnavailable(
                    f"The reward model at {self.folder} gives scores that are not finite: train "
                    "it again, with a lower learning_rate."
                )
            found.append(Judged((raw - self.mean) / scale, deviations / scale))
        return found

    def _raw(self, groups: Sequence[EncodedGroup], tokens: int) -> list[tuple[Tensor, Tensor]]:
        """Scores and their deviations as the model gives them."""
        if isinstance(self.model, LinearProbe):
            head = self.model.head
            read = self.model.features(self.layout, groups, self.chat.pad, tokens)
            return [(head.scores(each), head.deviations(each)) for each in read]
        raw = score_groups(self.model, self.layout, groups, self.chat.pad, tokens)
        return [(each, torch.zeros_like(each)) for each in raw]
