"""The policy in training: samples answers, has them judged, reads them with its reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from uuid import uuid4

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from annotation.lm.sampler import (
    SamplingParameters,
    prompt_limit,
    sample_with_seeds,
    stop_ids,
)
from annotation.lm.server import RolloutServer
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.adapters import save_adapter, with_trainable_adapter
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, GroupBatch
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.passes import in_passes
from rewardmodel.learning.core.snapshot import naming
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy.base_reading import BaseReading, finished, read_base
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.experience import Experience, Reading
from rewardmodel.learning.policy.metrics import PolicyMetrics
from rewardmodel.learning.policy.rollout import Rollout, heldout_seeds, new_rollout
from rewardmodel.learning.reward.probe import LinearProbe
from rewardmodel.learning.reward.scorer import Judged, RewardScorer


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
        self.network = cast(PreTrainedModel, self.adapted.get_base_model())
        self.log_probs = AnswerLogProbs(self.network)
        self.prompt_limit = prompt_limit(self.network, config.max_new_tokens)
        self.parameters = SamplingParameters(max_new_tokens=config.max_new_tokens)
        self._of_base: dict[tuple[str, tuple[int, ...]], list[Completion]] = {}
        self.end_penalty = EndPenalty(config.missing_end_penalty)
        self.price = DivergencePrice(config.beta, config.kl_budget)
        lengths = []
        for row in rows:
            with naming("Prompt", row.id):
                lengths.append(len(self.chat.prompt_ids(row.prompt)))
                if self.scorer:
                    self.scorer.chat.prompt_ids(row.prompt)
        too_long = sum(length > self.prompt_limit for length in lengths)
        self.cuts = {"a prompt that lost its start": too_long} if too_long else {}
        answered = min(max(lengths, default=0), self.prompt_limit) + config.max_new_tokens
        self.layout = choose_layout(self.log_probs, self.network, max(answered, longest))

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
        sampled = self._sample(prompts, seeds)
        groups = [
            EncodedGroup(
                self.chat.prompt_ids(prompt, self.prompt_limit),
                [list(completion.token_ids) for completion in answers],
            )
            for prompt, answers in zip(prompts, sampled, strict=True)
        ]
        judged = self._judged(judge or self.scorer, prompts, groups, sampled)
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

    def _judged(
        self,
        judge: RewardScorer | None,
        prompts: Sequence[Messages],
        groups: Sequence[EncodedGroup],
        sampled: Sequence[Sequence[Completion]],
    ) -> list[tuple[Judged, BaseReading | None]]:
        """What is said of each group's answers; by a head on the base, with what that has read."""
        if judge is None:
            return [(Judged.by_nobody(len(answers)), None) for answers in sampled]
        tokens = self.config.tokens_per_batch
        if not judge.reads_base:
            texts = [[completion.text for completion in answers] for answers in sampled]
            asked = list(zip(prompts, texts, strict=True))
            return [(judged, None) for judged in judge.judge(asked, tokens)]
        ends = [finished(*each, self.chat) for each in zip(groups, sampled, strict=True)]
        probe = cast(LinearProbe, judge.model)
        with self.adapted.disable_adapter():
            read = read_base(self.log_probs, probe, self.layout, ends, self.chat.pad, tokens)
        return [(judge.judge_features(each.features), each) for each in read]

    def _sample(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[list[Completion]]:
        """From the rollout server, given the adapter as it is now, if there is one."""
        if not self.config.rollout_server:
            return self._sample_here(prompts, seeds)
        name = f"laoshi-{uuid4().hex}"
        server = RolloutServer(self.config.rollout_server, name)
        with TemporaryDirectory(dir=Path(self.config.output).absolute().parent) as folder:
            save_adapter(self.adapted, Path(folder))
            server.load_adapter(name, Path(folder))
            stops = stop_ids(self.network, self.chat)
            answers = server.sample(
                self.chat, prompts, seeds, self.parameters, stops, self.prompt_limit
            )
            server.unload_adapter(name)
        return answers

    def _sample_here(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[list[Completion]]:
        """What the base model says is kept: who starts from it is asked the same in the first
        check, and as the parent in the end."""
        answers = self._of_base if self._is_base() else {}
        asked = [
            (prompt_key(prompt), tuple(own)) for prompt, own in zip(prompts, seeds, strict=True)
        ]
        new = [place for place, key in enumerate(asked) if key not in answers]
        sampled = sample_with_seeds(
            self.network,
            self.chat.tokenizer,
            [prompts[place] for place in new],
            [seeds[place] for place in new],
            self.parameters,
        )
        answers |= zip((asked[place] for place in new), sampled, strict=True)
        return [answers[key] for key in asked]

    def _is_base(self) -> bool:
        """Whether the adapter is as fresh as it was made, when it adds nothing."""
        added = (w for name, w in self.adapted.named_parameters() if "lora_B" in name)
        return self.config.adapter is None and not any(bool(weight.any()) for weight in added)

    def base_endings(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[bool]:
        """Whether each of the base model's answers to them ends by itself; sampled here, whatever
        samples else."""
        with self.adapted.disable_adapter():
            sampled = self._sample_here(prompts, seeds)
        return [completion.has_ended for answers in sampled for completion in answers]

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


def share_that_ends(
    policy: AdaptedPolicy, accelerator: Processes, rows: Sequence[PromptRow]
) -> float:
    """Of the base model's answers to the first of these prompts, by themselves; every process
    answers its part."""
    mine = accelerator.own(range(min(len(rows), policy.config.heldout_prompts)))
    ended = policy.base_endings(
        [rows[place].prompt for place in mine],
        [heldout_seeds(policy.config, place) for place in mine],
    )
    counted = torch.tensor([sum(ended), len(ended)], device=accelerator.device)
    total, answers = accelerator.reduce(counted, reduction="sum").tolist()
    return float(total / answers)
