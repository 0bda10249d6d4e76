"""Answers of the policy in training: sampled, scored, and compared with the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from uuid import uuid4

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from annotation.lm.sampler import (
    SamplingParameters,
    derive_seed,
    prompt_limit,
    sample_with_seeds,
    stop_ids,
)
from annotation.lm.server import RolloutServer
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.adapters import save_adapter, with_trainable_adapter
from rewardmodel.learning.core.distributed import autocast
from rewardmodel.learning.core.group_packing import (
    ALONE,
    AnswerLogProbs,
    EncodedGroup,
    GroupBatch,
    Part,
    choose_layout,
    in_budget,
    parts_of,
)
from rewardmodel.learning.core.snapshot import PromptRow, naming
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.losses import sequence_sums
from rewardmodel.learning.policy.metrics import PolicyMetrics
from rewardmodel.learning.reward.scorer import RewardScorer


@dataclass(frozen=True)
class Rollout:
    """One prompt, the K answers sampled to it, and what was measured of each.

    `scores` are normalised rewards, `ended` is 1 where the answer ended by itself. `rewards` are
    what the policy is taught by, before the price of divergence: the scores, less what is taken
    for doubt and for a missing end.
    """

    prompt: Messages
    texts: list[str]
    group: EncodedGroup
    scores: Float[Tensor, " K"]
    ended: Float[Tensor, " K"]
    rewards: Float[Tensor, " K"]

    def part(self, part: Part) -> Rollout:
        """With the answers of that part alone."""
        answers = slice(part.answers.start, part.answers.stop)
        values = (value[answers] for value in (self.scores, self.ended, self.rewards))
        return Rollout(self.prompt, self.texts[answers], part.encoded, *values)


@dataclass(frozen=True)
class Reading:
    """What is made of the T answer tokens of a batch in one forward pass.

    `log_probs` in nats; `values` are what a value function expects before each token, if any.
    """

    log_probs: Float[Tensor, " T"]
    values: Float[Tensor, " T"] | None = None

    def detached(self) -> Reading:
        """The same as constants."""
        return Reading(
            self.log_probs.detach(), None if self.values is None else self.values.detach()
        )


@dataclass
class Experience:
    """Rollouts with N answers of one forward pass, and the reference's log probabilities of their
    T tokens. `old` is the reading of the policy that sampled them, once it has read them.

    `parts` says of which group, and which of its answers, each rollout is; `others` what that
    group's other answers are worth to RLOO, for each rollout nothing where it is whole.
    """

    rollouts: list[Rollout]
    batch: GroupBatch
    reference: Float[Tensor, " T"]
    old: Reading | None = None
    parts: list[Part] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each answer, in order."""
        return [len(answer) for r in self.rollouts for answer in r.group.answers]

    @property
    def divergence(self) -> Float[Tensor, " N"]:
        """Of the policy that sampled from the reference, in nats an answer.

        Raises RuntimeError when that policy has not read the answers yet.
        """
        if self.old is None:
            raise RuntimeError("the policy that sampled these answers has not read them yet")
        nats = self.old.log_probs - self.reference
        return sequence_sums(nats, self.batch.answer_of, len(self.lengths))


class AdaptedPolicy:
    """A base model with a trainable adapter, and the reward model that judges it.

    The reference is the base model: the same weights with the adapter off.
    """

    def __init__(
        self, config: PolicyConfig, device: torch.device, rows: Sequence[PromptRow]
    ) -> None:
        """`rows` hold all prompts that will be answered. Raises PolicyUnavailable, and
        SnapshotError for a prompt that a chat template refuses."""
        self.config, self.device = config, device
        self.chat = Chat(load_tokenizer(config.base_model))
        base = load_causal_lm(config.base_model, torch.float32)
        require_embeddings(base, self.chat)
        adapted = with_trainable_adapter(base, config.adapter, config.lora_rank)
        self.adapted = adapted.to(device).eval()  # no dropout
        self.network = cast(PreTrainedModel, self.adapted.get_base_model())
        self.log_probs = AnswerLogProbs(self.network)
        self.prompt_limit = prompt_limit(self.network, config.max_new_tokens)
        self.scorer = RewardScorer(config.reward_model, device)
        self.end_penalty = EndPenalty(config.missing_end_penalty)
        lengths = []
        for row in rows:
            with naming("Prompt", row.id):
                lengths.append(len(self.chat.prompt_ids(row.prompt)))
                self.scorer.chat.prompt_ids(row.prompt)
        too_long = sum(length > self.prompt_limit for length in lengths)
        self.cuts = {"a prompt that lost its start": too_long} if too_long else {}
        longest = min(max(lengths), self.prompt_limit)
        self.layout = choose_layout(self.log_probs, self.network, longest + config.max_new_tokens)

    def rollouts(
        self,
        prompts: Sequence[Messages],
        seeds: Sequence[Sequence[int]],
        judge: RewardScorer | None = None,
    ) -> list[Rollout]:
        """One answer for each seed of each prompt, at temperature 1, scored.

        `judge` scores instead of the reward model that is trained against.
        """
        parameters = SamplingParameters(max_new_tokens=self.config.max_new_tokens)
        sampled = self._sample(prompts, seeds, parameters)
        texts = [[completion.text for completion in group] for group in sampled]
        judged = (judge or self.scorer).judge(
            list(zip(prompts, texts, strict=True)), self.config.tokens_per_batch
        )
        price, penalty = self.config.uncertainty_price, self.end_penalty.now
        rollouts = []
        for prompt, said, group, found in zip(prompts, texts, sampled, judged, strict=True):
            ended = torch.tensor([float(c.finish_reason == "stop") for c in group])
            rewards = found.scores - price * found.deviations - penalty * (1 - ended)
            tokens = EncodedGroup(
                self.chat.prompt_ids(prompt, self.prompt_limit),
                [list(completion.token_ids) for completion in group],
            )
            rollouts.append(Rollout(prompt, said, tokens, found.scores, ended, rewards))
        return rollouts

    def _sample(
        self,
        prompts: Sequence[Messages],
        seeds: Sequence[Sequence[int]],
        parameters: SamplingParameters,
    ) -> list[list[Completion]]:
        """From the rollout server, given the adapter as it is now, if there is one."""
        if not self.config.rollout_server:
            return sample_with_seeds(self.network, self.chat.tokenizer, prompts, seeds, parameters)
        name = f"laoshi-{uuid4().hex}"
        server = RolloutServer(self.config.rollout_server, name)
        with TemporaryDirectory(dir=Path(self.config.output).absolute().parent) as folder:
            save_adapter(self.adapted, Path(folder))
            server.load_adapter(name, Path(folder))
            stops = stop_ids(self.network, self.chat)
            answers = server.sample(self.chat, prompts, seeds, parameters, stops, self.prompt_limit)
            server.unload_adapter(name)
        return answers

    def experiences(self, rollouts: Sequence[Rollout]) -> Iterator[Experience]:
        """The rollouts, so many answers at a time as a forward pass has room for, read by the
        reference."""
        tokens, layout = self.config.tokens_per_batch, self.layout
        parts = parts_of([rollout.group for rollout in rollouts], ALONE * tokens, layout)
        for indices in in_budget([part.encoded for part in parts], tokens, layout):
            chosen = [parts[i] for i in indices]
            batch = layout([part.encoded for part in chosen], self.chat.pad).to(self.device)
            with torch.no_grad(), autocast(self.device), self.adapted.disable_adapter():
                reference = self.log_probs(batch)
            read = [rollouts[part.group].part(part) for part in chosen]
            yield Experience(read, batch, reference, parts=chosen)

    @torch.no_grad()
    def measured(self, rollouts: Sequence[Rollout]) -> list[Experience]:
        """The rollouts of this policy, read by the reference and by itself."""
        experiences = list(self.experiences(rollouts))
        for experience in experiences:
            with autocast(self.device):
                experience.old = Reading(self.log_probs(experience.batch))
        return experiences

    def save(self, folder: Path) -> None:
        """The adapter and the tokenizer."""
        save_adapter(self.adapted, folder)
        self.chat.tokenizer.save_pretrained(folder)


def summarise(experiences: Sequence[Experience]) -> Float[Tensor, 6]:
    """Sums over answers of what PolicyMetrics averages, in its order."""
    sums = torch.zeros(6)
    for experience in experiences:
        rollouts = experience.rollouts
        sums += torch.tensor(
            [
                len(experience.lengths),
                sum(float(r.rewards.sum()) for r in rollouts),
                sum(float(r.scores.sum()) for r in rollouts),
                float(experience.divergence.sum()),
                sum(float(r.ended.sum()) for r in rollouts),
                sum(experience.lengths),
            ]
        )
    return sums


def metrics_of(sums: Float[Tensor, 6]) -> PolicyMetrics:
    """The means of `summarise`'s sums, which may come from several processes."""
    answers, *totals = sums.tolist()
    return PolicyMetrics(round(answers), *(total / answers for total in totals))


def seeds_of(config: PolicyConfig, step: int, place: int, count: int) -> list[int]:
    """Of the answers to the prompt at that place of a step."""
    return [derive_seed(config.seed, step, place, k) for k in range(count)]


def heldout_seeds(config: PolicyConfig, place: int) -> list[int]:
    """Of the answers to the held-out prompt at that place, the same for every policy."""
    return seeds_of(config, -1, place, config.heldout_answers)
