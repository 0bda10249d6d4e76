"""The policy in training: its answers with what they are worth, read with its reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from annotation.lm.chat import Chat, Messages
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.adapters import save_adapter, with_trainable_adapter
from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, GroupBatch
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.passes import in_passes
from rewardmodel.learning.core.snapshot import naming
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.experience import Experience, Reading
from rewardmodel.learning.policy.judging import judge_answers
from rewardmodel.learning.policy.metrics import PolicyMetrics
from rewardmodel.learning.policy.rollout import Rollout, new_rollout
from rewardmodel.learning.policy.sampling import PolicySampler
from rewardmodel.learning.reward.scorer import RewardScorer


class AdaptedPolicy:
    """A base model with a trainable adapter, and the reward model that judges it, if one does.

    The reference is the base model: the same weights with the adapter off.
    """

    def __init__(
        self,
        config: PolicyConfig,
        device: torch.device,
        rows: Sequence[PromptRow],
        longest: int = 0,
    ) -> None:
        """`rows` hold all prompts that will be answered; other rows that are read have at most
        `longest` tokens. Raises PolicyUnavailable, and SnapshotError for a prompt that a chat
        template refuses."""
        self.config, self.device = config, device
        self.chat = Chat(load_tokenizer(config.base_model))
        base = load_causal_lm(config.base_model, torch.float32)
        require_embeddings(base, self.chat)
        base.to(device)  # type: ignore[arg-type]
        self.scorer = (
            RewardScorer(config.reward_model, device, base) if config.reward_model else None
        )
        adapted = with_trainable_adapter(base, config.adapter, config.lora_rank)
        self.adapted = adapted.to(device).eval()  # no dropout
        self.sampler = PolicySampler(config, self.adapted, self.chat)
        self.network = self.sampler.network
        self.log_probs = AnswerLogProbs(self.network)
        self.end_penalty = EndPenalty(config.missing_end_penalty)
        self.price = DivergencePrice(config.beta, config.kl_budget)
        lengths, limit = self._prompt_lengths(rows), self.sampler.prompt_limit
        too_long = sum(length > limit for length in lengths)
        self.cuts = {"a prompt that lost its start": too_long} if too_long else {}
        answered = min(max(lengths, default=0), limit) + config.max_new_tokens
        self.layout = choose_layout(self.log_probs, self.network, max(answered, longest))

    def _prompt_lengths(self, rows: Sequence[PromptRow]) -> list[int]:
        """In tokens. Raises SnapshotError for a prompt that either chat template refuses."""
        lengths = []
        for row in rows:
            with naming("Prompt", row.id):
                lengths.append(len(self.chat.prompt_ids(row.prompt)))
                if self.scorer:
                    self.scorer.chat.prompt_ids(row.prompt)
        return lengths

    def follow(self, metrics: PolicyMetrics) -> None:
        """Sets what missing ends and divergence cost from now on, by a step's answers."""
        self.end_penalty.follow(metrics.ended)
        self.price.follow(metrics)

    def rollouts(
        self,
        prompts: Sequence[Messages],
        seeds: Sequence[Sequence[int]],
        judge: RewardScorer | None = None,
    ) -> list[Rollout]:
        """One answer for each seed of each prompt, at temperature 1, scored.

        `judge` scores instead of the reward model that is trained against; without either all
        scores are 0.
        """
        sampled = self.sampler.sample(prompts, seeds)
        groups = [
            EncodedGroup(
                self.chat.prompt_ids(prompt, self.sampler.prompt_limit),
                [list(completion.token_ids) for completion in answers],
            )
            for prompt, answers in zip(prompts, sampled, strict=True)
        ]
        judged = judge_answers(self, judge or self.scorer, prompts, groups, sampled)
        return [
            new_rollout(
                self.config,
                prompt,
                group,
                answers,
                *found,
                end_price=self.end_penalty.now,
                scale=self.scorer.scale if self.scorer else 1.0,
            )
            for prompt, group, answers, found in zip(prompts, groups, sampled, judged, strict=True)
        ]

    def experiences(self, rollouts: Sequence[Rollout]) -> Iterator[Experience]:
        """The rollouts, so many answers at a time as a forward pass has room for, read by the
        reference."""
        groups, tokens = [rollout.group for rollout in rollouts], self.config.tokens_per_batch
        for chosen, batch in in_passes(self.layout, groups, self.chat.pad, tokens, self.device):
            read = [rollouts[part.group].part(part) for part in chosen]
            yield Experience(read, batch, self._reference(read, batch), parts=chosen)

    def _reference(self, rollouts: Sequence[Rollout], batch: GroupBatch) -> Float[Tensor, " T"]:
        known = [rollout.reference for rollout in rollouts if rollout.reference is not None]
        if len(known) == len(rollouts):
            return torch.cat([answer for answers in known for answer in answers])
        with torch.no_grad(), autocast(self.device), self.adapted.disable_adapter():
            return cast(Tensor, self.log_probs(batch))

    @torch.no_grad()
    def measured(self, rollouts: Sequence[Rollout]) -> list[Experience]:
        """The rollouts of this policy, read by the reference and by itself."""
        measured = []
        for experience in self.experiences(rollouts):
            with autocast(self.device):
                own = Reading(self.log_probs(experience.batch))
            measured.append(replace(experience, old=own))
        return measured

    def save(self, folder: Path) -> None:
        """The adapter and the tokenizer."""
        save_adapter(self.adapted, folder)
        self.chat.tokenizer.save_pretrained(folder)
