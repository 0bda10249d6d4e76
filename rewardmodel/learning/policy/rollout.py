"""Answers of the policy in training: sampled, scored, and compared with the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
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
    AnswerLogProbs,
    EncodedGroup,
    GroupBatch,
    Part,
    choose_layout,
)
from rewardmodel.learning.core.passes import in_passes
from rewardmodel.learning.core.snapshot import PromptRow, naming
from rewardmodel.learning.policy.base_reading import (
    BaseReading,
    finished,
    has_ended,
    read_base,
)
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.losses import sequence_sums, token_credits
from rewardmodel.learning.reward.probe import LinearProbe
from rewardmodel.learning.reward.scorer import Judged, RewardScorer


@dataclass(frozen=True)
class Rollout:
    """One prompt, the K answers sampled to it, and what was measured of each.

    `scores` are normalised rewards, `of_length` is what of each is its length's, `ended` is 1
    where the answer ended by itself. `rewards` are what the policy is taught by, before the price
    of divergence: the scores, less what is taken for doubt and for a missing end. `reference` are
    the reference's log probabilities of each answer's tokens, where it has read them already;
    `credits` what each of them is worth beside the group's other answers.
    """

    prompt: Messages
    texts: list[str]
    group: EncodedGroup
    scores: Float[Tensor, " K"]
    ended: Float[Tensor, " K"]
    rewards: Float[Tensor, " K"]
    of_length: Float[Tensor, " _"] = field(default_factory=lambda: torch.zeros(0))
    reference: list[Float[Tensor, " _"]] | None = None
    credits: list[Float[Tensor, " _"]] = field(default_factory=list)

    def part(self, part: Part) -> Rollout:
        """With the answers of that part alone."""
        answers = slice(part.answers.start, part.answers.stop)
        return replace(
            self,
            texts=self.texts[answers],
            group=part.encoded,
            scores=self.scores[answers],
            ended=self.ended[answers],
            rewards=self.rewards[answers],
            of_length=self.of_length[answers],
            reference=self.reference and self.reference[answers],
            credits=self.credits[answers],
        )


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
        parameters = SamplingParameters(max_new_tokens=self.config.max_new_tokens)
        sampled = self._sample(prompts, seeds, parameters)
        texts = [[completion.text for completion in group] for group in sampled]
        groups = [
            EncodedGroup(
                self.chat.prompt_ids(prompt, self.prompt_limit),
                [list(completion.token_ids) for completion in group],
            )
            for prompt, group in zip(prompts, sampled, strict=True)
        ]
        judge = judge or self.scorer
        known: list[BaseReading | None] = [None] * len(groups)
        if judge is None:
            judged = [Judged.by_nobody(len(group)) for group in texts]
        elif judge.reads_base:
            with self.adapted.disable_adapter():
                read = read_base(
                    self.log_probs,
                    cast(LinearProbe, judge.model),
                    self.layout,
                    [finished(*each, self.chat) for each in zip(groups, sampled, strict=True)],
                    self.chat.pad,
                    self.config.tokens_per_batch,
                )
            judged = [judge.judge_features(each.features) for each in read]
            known = list(read)
        else:
            asked = list(zip(prompts, texts, strict=True))
            judged = judge.judge(asked, self.config.tokens_per_batch)
        return [
            self._rollout(*each)
            for each in zip(prompts, texts, groups, sampled, judged, known, strict=True)
        ]

    def _rollout(
        self,
        prompt: Messages,
        texts: list[str],
        group: EncodedGroup,
        sampled: Sequence[Completion],
        judged: Judged,
        known: BaseReading | None,
    ) -> Rollout:
        ended = torch.tensor([float(has_ended(completion)) for completion in sampled])
        doubt = self.config.uncertainty_price * judged.deviations
        missing_end = self.end_penalty.now * (1 - ended)
        rewards = judged.scores - doubt - missing_end
        return Rollout(
            prompt,
            texts,
            group,
            judged.scores,
            ended,
            rewards,
            judged.of_length,
            known.of(group) if known else None,
            self._credits(rewards, judged.of_length - missing_end, group, known),
        )

    def _credits(
        self,
        rewards: Float[Tensor, " K"],
        at_end: Float[Tensor, " K"],
        group: EncodedGroup,
        known: BaseReading | None,
    ) -> list[Float[Tensor, " _"]]:
        """Of each answer's tokens; only a head on the base tells what of a score its words have."""
        lengths = [len(answer) for answer in group.answers]
        words = [torch.zeros(length) for length in lengths]
        if len(lengths) == 1:  # as may be where nothing is learned: it has no other beside it
            return words
        if known is not None and self.scorer is not None:
            words = [each / self.scorer.scale for each in known.words]
            at_end = at_end + known.end / self.scorer.scale
        return token_credits(rewards, words, at_end, lengths, self.config.credit_decay)

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
        experiences = list(self.experiences(rollouts))
        for experience in experiences:
            with autocast(self.device):
                experience.old = Reading(self.log_probs(experience.batch))
        return experiences

    def save(self, folder: Path) -> None:
        """The adapter and the tokenizer."""
        save_adapter(self.adapted, folder)
        self.chat.tokenizer.save_pretrained(folder)


def seeds_of(config: PolicyConfig, step: int, place: int, count: int) -> list[int]:
    """Of the answers to the prompt at that place of a step."""
    return [derive_seed(config.seed, step, place, k) for k in range(count)]


def heldout_seeds(config: PolicyConfig, place: int) -> list[int]:
    """Of the answers to the held-out prompt at that place, the same for every policy."""
    return seeds_of(config, -1, place, config.heldout_answers)
