"""PPO's value function: a copy of the reward model that expects an answer's worth as it grows."""

from __future__ import annotations

from typing import cast

import torch
from jaxtyping import Float
from peft import TaskType
from torch import Tensor, nn
from transformers import PreTrainedModel

from rewardmodel.learning.core.adapters import with_fresh_adapter
from rewardmodel.learning.core.distributed import float32
from rewardmodel.learning.core.group_packing import GroupBatch
from rewardmodel.learning.reward.probe import LinearProbe
from rewardmodel.learning.reward.scorer import RewardScorer


class ValueFunction(nn.Module):
    """Starts as the reward model at `folder` (arXiv 2203.02155, appendix C.4); of one that leaves
    the language model as it is, as that with a head that expects 0.

    An adapter of `rank` and the head are trained. Values are on the scale of normalised rewards.
    """

    def __init__(self, folder: str, rank: int, device: torch.device) -> None:
        """Raises PolicyUnavailable when the folder holds no reward model."""
        super().__init__()
        scorer = RewardScorer(folder, device)
        if isinstance(scorer.model, LinearProbe):
            self.mean, self.std = 0.0, 1.0
            self.adapted = with_fresh_adapter(scorer.model.network, rank).eval()
            width = scorer.model.network.config.get_text_config().hidden_size
            head = nn.Linear(width, 1, bias=False, device=device)
            nn.init.zeros_(head.weight)
            self.head: nn.Module | None = head
        else:
            self.mean, self.std = scorer.mean, max(scorer.std, 1e-6)
            self.adapted = with_fresh_adapter(scorer.model.network, rank, TaskType.SEQ_CLS).eval()
            self.head = None  # the classifier's own

    def forward(self, batch: GroupBatch) -> Float[Tensor, " T"]:
        """The value of the state before each answer token, read where it is predicted."""
        network = cast(PreTrainedModel, self.adapted.get_base_model())
        hidden = network.base_model(**batch.inputs).last_hidden_state
        head = cast(nn.Module, network.score) if self.head is None else self.head
        with float32(hidden.device):
            raw = head(hidden[batch.sources].float())
        values = (raw.squeeze(-1) - self.mean) / self.std
        return cast(Tensor, values[batch.slots])
