"""A saved reward model of either kind, as whoever wants answers judged uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from annotation.exchange.wording import gettext_noop
from annotation.lm.chat import Chat, Messages
from annotation.lm.context import within_context
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import PolicyUnavailable, load_tokenizer
from rewardmodel.learning.core.group_packing import truncate
from rewardmodel.learning.reward.model import (
    RewardModel,
    encode,
    load_reward_model,
    score_groups,
)
from rewardmodel.learning.reward.probe import (
    LinearProbe,
    backbone_of,
    is_probe,
    load_probe,
    reads,
)

SMALLEST = 1e-6  # deviation
NOT_FINITE = gettext_noop(
    "The reward model at {folder} gives scores that are not finite: train it again, with a lower "
    "learning_rate."
)


@dataclass(frozen=True)
class Judged:
    """One group's K answers: normalised rewards, and in the same unit how unsure the model is of
    each, against the mean of the group's, and what of each reward is its length's. A model without
    a posterior says 0 to the second, one that is no head on known features to both. `features` is
    what such a head was given."""

    scores: Float[Tensor, " K"]
    deviations: Float[Tensor, " K"]
    of_length: Float[Tensor, " K"]
    features: Float[Tensor, "K width"] | None = None

    def without_length(self) -> Judged:
        rest = torch.zeros_like(self.scores)
        return replace(self, scores=self.scores - self.of_length, of_length=rest)

    @staticmethod
    def by_nobody(answers: int) -> Judged:
        """All 0, where there is no reward model."""
        return Judged(*torch.zeros(3, answers))


class RewardScorer:
    """Scores have the mean and the deviation that the folder names."""

    def __init__(
        self,
        folder: str,
        device: torch.device,
        base: PreTrainedModel | None = None,
        *,
        is_its: bool = False,
    ) -> None:
        """`base` is read in the place of a probe's backbone where that has the same weights; who
        knows that it was made on it says `is_its`.

        Raises PolicyUnavailable when the folder holds no reward model.
        """
        self.folder = folder
        self.model: RewardModel | LinearProbe
        self.reads_base = False
        if is_probe(folder):
            self.chat = Chat(load_tokenizer(str(backbone_of(folder))))
            self.reads_base = base is not None and (is_its or reads(folder, base))
            found = load_probe(folder, base if self.reads_base else None)
            self.model, self.mean, self.std = found
        else:
            self.chat = Chat(load_tokenizer(folder))
            self.model, self.mean, self.std = load_reward_model(folder)
        if not self.reads_base:  # which is whose it is
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
        return [self.mean + self.scale * each for each in self.scores(groups, tokens)]

    def judge(self, groups: Sequence[tuple[Messages, Sequence[str]]], tokens: int) -> list[Judged]:
        """As `scores`, with deviations; `tokens` bounds one forward pass."""
        encoded = [truncate(encode(self.chat, *group), self.group_tokens) for group in groups]
        if isinstance(self.model, LinearProbe):
            read = self.model.features(self.layout, encoded, self.chat.pad, tokens)
            return [self.judge_features(each) for each in read]
        raw = score_groups(self.model, self.layout, encoded, self.chat.pad, tokens)
        return [self._normalised(each, *torch.zeros(2, len(each))) for each in raw]

    def judge_features(self, features: Float[Tensor, "K width"]) -> Judged:
        """One group, of which is known what a probe's head reads."""
        head = cast(LinearProbe, self.model).head
        scores = head.scores(features)
        of_length = scores - head.without_length().scores(features)
        judged = self._normalised(scores, head.deviations(features), of_length)
        return replace(judged, features=features)

    def doubts(
        self, apart: Float[Tensor, "n width"], *, without_length: bool = False
    ) -> Float[Tensor, "n n"]:
        """A probe's `Head.doubts` in normalised units; perhaps of what is not the length's."""
        head = cast(LinearProbe, self.model).head
        if without_length and head.recipe.length:
            apart = torch.cat([apart[:, :-1], torch.zeros_like(apart[:, -1:])], dim=1)
        return head.doubts(apart) / self.scale**2

    def _normalised(self, raw: Tensor, deviations: Tensor, of_length: Tensor) -> Judged:
        if not raw.isfinite().all():
            raise PolicyUnavailable(NOT_FINITE, folder=self.folder)
        scale = self.scale
        return Judged((raw - self.mean) / scale, deviations / scale, of_length / scale)

    @property
    def scale(self) -> float:
        """Nats of one normalised unit."""
        return max(self.std, SMALLEST)
