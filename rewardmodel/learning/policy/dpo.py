"""Straight from rankings (DPO, arXiv 2305.18290): the policy is its own reward model.

An answer's implicit reward is beta (log p(answer) - log p_reference(answer)); the reference is the
base model, adapter off. Differs from the paper: a prompt's answers are one row, with all pairs or
whole rankings of each labeler, and an adapter is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from annotation.lm.context import within_context
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.gate import Gate, Verdict
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, GroupBatch
from rewardmodel.learning.core.group_parts import parts_with_scores
from rewardmodel.learning.core.passes import in_budget, read_answers
from rewardmodel.learning.core.row_report import require_groups, row_counts, row_sentence
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import provenance
from rewardmodel.learning.core.snapshot import PreferenceData, read_groups, read_prompts
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.core.speed import Pace
from rewardmodel.learning.core.trainer import Trainer, Weights, shuffled
from rewardmodel.learning.policy.evaluation import NEW, PARENT, answer_before_and_after
from rewardmodel.learning.policy.losses import (
    implicit_rewards,
    plackett_luce_loss,
    sequence_sums,
)
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.reward.losses import vote_log_loss
from rewardmodel.learning.reward.metrics import PreferenceMetrics, accuracy_of, metrics_of
from rewardmodel.learning.reward.preferences import ranks_tensor, strict_votes, vote_hits
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.learning.reward.training_set import encode_rows


def learn_from_rankings(config: PolicyConfig, run: RunFolder, accelerator: Processes) -> None:
    """One run from ranked groups to result. Raises TrainingFailure and the errors of loading."""
    rows = read_groups(Path(config.snapshot), config.heldout_percent)
    require_groups(rows, config.snapshot)
    _, prompts = read_prompts(Path(config.snapshot), config.heldout_percent)
    policy = AdaptedPolicy(config, accelerator.device, prompts, longest=config.group_tokens)
    longest = within_context(policy.network, config.group_tokens, "group_tokens")
    groups, shortened = encode_rows(policy.chat, rows.train, longest)
    heldout, heldout_shortened = encode_rows(policy.chat, rows.heldout, longest)
    cuts = shortened + heldout_shortened
    run.tell(row_sentence("groups", len(groups) + len(heldout), rows.skipped, cuts))

    targets = [ranking_target(row, accelerator.device) for row in rows.train]
    steps = -(-config.epochs * len(groups) // min(config.groups_per_step, len(groups)))
    module = AnswerLikelihoods(policy.log_probs)
    trainer = Trainer(accelerator, module, config, config.dpo_learning_rate, steps)
    parent = trainer.weights()
    start, _ = trainer.resume(run.checkpoints)
    for done, metrics in fit(config, trainer, policy, groups, targets, start):
        run.progress("training", done, steps, metrics)
        trainer.save(run.checkpoints, done)
    if not accelerator.is_main_process:
        return
    run.progress("evaluating", 0, 2)
    found = _predicted(config, trainer, policy, parent, heldout, rows)
    other = config.heldout_reward_model
    second = RewardScorer(other, accelerator.device) if other else None
    answers = answer_before_and_after(config, run, policy, trainer, parent, prompts, second)
    gate = answers.gate(config.kl_budget)
    if answers.measured and not answers.are_judged:
        gate = _unjudged(found, answers.measured[NEW].kl)
    result = {
        "metrics": {
            **answers.report(),
            "preferences": {name: asdict(each) for name, each in found.items()},
            "steps": steps,
            **row_counts(rows.skipped, cuts),
        },
        "gate": gate.report(),
        "samples": answers.samples(),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), policy.save, result)


def fit(
    config: PolicyConfig,
    trainer: Trainer,
    policy: AdaptedPolicy,
    groups: Sequence[EncodedGroup],
    targets: Sequence[RankingTarget],
    start: int = 0,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Learns from the groups; yields finished steps and their metrics."""
    device, layout, pad = trainer.accelerator.device, policy.layout, policy.chat.pad
    tokens, per_step = config.tokens_per_batch, min(config.groups_per_step, len(groups))
    reference: dict[int, Tensor] = {}  # never changes: each group is read by it once
    pace, all_processes = Pace(), trainer.accelerator.num_processes
    for step in range(start, trainer.steps):
        drawn = shuffled(len(groups), config.seed, step * per_step, per_step)
        mine = trainer.shard(drawn, "groups_per_step")
        unread = [i for i in mine if i not in reference]
        by_reference = reference_likelihoods(policy, [groups[i] for i in unread])
        reference |= zip(unread, by_reference, strict=True)
        asked = [groups[i] for i in mine]
        parts = parts_with_scores(trainer.given, device, layout, asked, mine, pad, tokens)
        read = [part.group for part in parts]  # whole groups, where a pass has room for them
        weight = sum(weight_of(config, targets[i]) for i in drawn)
        pairs = sum(float(targets[i].votes.sum()) for i in drawn)
        for chosen in trainer.passes(list(in_budget(read, tokens, layout))):
            batch = layout([read[i] for i in chosen], pad).to(device)
            with autocast(device):
                found = trainer.module(batch).split([len(read[i].answers) for i in chosen])
                losses, hits = [], []
                for part, own in zip([parts[i] for i in chosen], found, strict=True):
                    base, target = reference[part.target].to(device), targets[part.target]
                    rewards = implicit_rewards(part.with_the_rest(own), base, config.dpo_beta)
                    losses.append(part.share_of(preference_loss(config, rewards, target)))
                    hits.append(part.portion * vote_hits(rewards, target.votes))
                loss = torch.stack(losses).sum() / weight
            trainer.backward(loss, **accuracy_of(hits, pairs))
        yield step + 1, {**trainer.step(step), **pace.step(all_processes * layout.tokens(read))}


@dataclass(frozen=True)
class RankingTarget:
    """What a group's labelers said: ranks, how much each labeler counts, and their `votes`, how
    much of that ranks i strictly better than j."""

    ranks: Float[Tensor, "labelers K"]
    weights: Float[Tensor, " labelers"]
    votes: Float[Tensor, "K K"]


def ranking_target(row: GroupRow, device: torch.device) -> RankingTarget:
    """From the rankings that count."""
    ranks = [ranking.ranks for ranking in row.counted]
    weights = [ranking.weight for ranking in row.counted]
    tensors = ranks_tensor(ranks), torch.tensor(weights), strict_votes(ranks, weights)
    return RankingTarget(*(tensor.to(device) for tensor in tensors))


def preference_loss(
    config: PolicyConfig, rewards: Float[Tensor, " K"], target: RankingTarget
) -> Float[Tensor, ""]:
    """Of a group, summed over its pairs or its rankings."""
    if config.preference_loss == "pairwise":
        return vote_log_loss(rewards, target.votes)
    return plackett_luce_loss(rewards, target.ranks, target.weights)


def weight_of(config: PolicyConfig, target: RankingTarget) -> float:
    """How many pairs, or rankings, the group's loss is a sum over, each counting as its labeler."""
    counted = target.votes if config.preference_loss == "pairwise" else target.weights
    return float(counted.sum())


class AnswerLikelihoods(nn.Module):
    """The policy, giving log p of whole answers."""

    def __init__(self, log_probs: AnswerLogProbs) -> None:
        super().__init__()
        self.log_probs = log_probs

    def forward(self, batch: GroupBatch) -> Float[Tensor, " N"]:
        return sequence_sums(self.log_probs(batch), batch.answer_of, len(batch.ends))


def likelihoods(policy: AdaptedPolicy, groups: Sequence[EncodedGroup]) -> list[Float[Tensor, " K"]]:
    """log p of each group's answers as the policy is now, on the CPU."""
    read, tokens = AnswerLikelihoods(policy.log_probs), policy.config.tokens_per_batch
    return read_answers(read, policy.device, policy.layout, groups, policy.chat.pad, tokens)


def reference_likelihoods(
    policy: AdaptedPolicy, groups: Sequence[EncodedGroup]
) -> list[Float[Tensor, " K"]]:
    """The same by the base model, adapter off."""
    with policy.adapted.disable_adapter():
        return likelihoods(policy, groups)


def _predicted(
    config: PolicyConfig,
    trainer: Trainer,
    policy: AdaptedPolicy,
    parent: Weights,
    heldout: Sequence[EncodedGroup],
    rows: PreferenceData,
) -> dict[str, PreferenceMetrics]:
    """How well both policies' implicit rewards predict the held-out rankings."""
    reference, found = reference_likelihoods(policy, heldout), {}
    for name, weights in {PARENT: parent, NEW: trainer.weights()}.items():
        trainer.set_weights(weights)
        rewards = [
            implicit_rewards(own, theirs, config.dpo_beta)
            for own, theirs in zip(likelihoods(policy, heldout), reference, strict=True)
        ]
        found[name] = metrics_of(rewards, rows.heldout)
    return found


def _unjudged(found: dict[str, PreferenceMetrics], divergence: float) -> Gate:
    """Shut: rankings of other answers say nothing of those that the policy gives now."""
    before, after = found[PARENT].log_loss, found[NEW].log_loss
    if before is None or after is None:
        return Gate(False, Verdict(Code.NO_HELDOUT_PAIRS))
    values = {"before": before, "after": after, "divergence": divergence}
    return Gate(False, Verdict(Code.POLICY_UNJUDGED, values))
