"""The held-out prompts answered by the parent and by the new policy, with the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.core.trainer import Trainer, Weights
from rewardmodel.learning.policy.distinctness import distinctness
from rewardmodel.learning.policy.doubt import doubt_of_mean
from rewardmodel.learning.policy.metrics import (
    Changes,
    PolicyMetrics,
    ends_of_interval,
    gain_of,
    metrics_of,
    policy_gate,
    summarise,
)
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import Rollout, heldout_seeds

if TYPE_CHECKING:
    from rewardmodel.learning.reward.scorer import RewardScorer

SAMPLES = 8
MOST_REPORTED = 1000  # answers of each policy
PARENT, NEW = "parent", "new"


@dataclass(frozen=True)
class HeldoutAnswers:
    """Both policies' answers and their figures, by PARENT and NEW; no figures without prompts.

    Where no reward model judged, scores and rewards are 0, and left out of what is reported.
    """

    rollouts: dict[str, list[Rollout]]
    measured: dict[str, PolicyMetrics]
    are_judged: bool
    second: dict[str, list[Tensor]]  # scores by the second reward model; empty without one
    doubt: float | None = None  # the reward model's, of the gain; None where it has no posterior

    def gate(self, kl_budget: float, stopped: Verdict | None = None) -> Gate:
        """By what a reward model says of the answers."""
        if not self.measured:
            return Gate(False, Verdict(Code.NO_HELDOUT_PROMPTS))
        parent, new = self.measured[PARENT], self.measured[NEW]
        return policy_gate(parent, new, self._changes, kl_budget, stopped)

    @cached_property
    def _changes(self) -> Changes:
        both = list(zip(self.rollouts[PARENT], self.rollouts[NEW], strict=True))
        rewards = [new.rewards.mean() - old.rewards.mean() for old, new in both]
        ended = [new.ended.mean() - old.ended.mean() for old, new in both]
        found = Changes(
            reward=torch.stack(rewards).double().numpy(),
            ended=torch.stack(ended).double().numpy(),
            tokens=(_lengths(self.rollouts[PARENT]), _lengths(self.rollouts[NEW])),
            distinct=(self._distinct[PARENT], self._distinct[NEW]),
            doubt=self.doubt,
        )
        if not self.second:
            return found
        scores = zip(self.second[PARENT], self.second[NEW], strict=True)
        second = torch.stack([new.mean() - old.mean() for old, new in scores])
        return replace(found, second=second.double().numpy())

    @cached_property
    def _distinct(self) -> dict[str, NDArray[np.float64]]:
        return {
            name: distinctness([rollout.group.answers for rollout in rollouts])
            for name, rollouts in self.rollouts.items()
        }

    def report(self) -> dict[str, dict[str, Any]]:
        """As in `metrics` of result.json."""
        unknown = () if self.are_judged else ("reward", "score", "of_length", "for_doubt")
        figures: dict[str, dict[str, Any]] = {
            name: {key: value for key, value in asdict(found).items() if key not in unknown}
            for name, found in self.measured.items()
        }
        for name, found in figures.items():
            found["distinct"] = float(self._distinct[name].mean())
        if not self.measured or not self.are_judged:
            return figures
        if self.second:
            figures["second_reward_model"] = {
                name: float(torch.cat(scores).mean()) for name, scores in self.second.items()
            }
        gain = gain_of(self.measured[PARENT], self.measured[NEW])
        answers = {name: _each_answer(found) for name, found in self.rollouts.items()}
        return {**figures, "gain": gain, **self._intervals(), "answers": answers}

    def _intervals(self) -> dict[str, Any]:
        """Of what changed from the parent to the new policy, by the name of the figure: the 99 %
        intervals by which the gate decides. Beside them the reward model's doubt of the gain, and
        its interval without that."""
        changes = self._changes
        ended = list(ends_of_interval(changes.ended))
        intervals = {"intervals": {"reward": list(changes.interval), "ended": ended}}
        if self.doubt is None:
            return intervals
        found = {"gain_deviation": self.doubt, "gain_over_prompts": list(changes.over_prompts)}
        return {**intervals, **found}

    def samples(self) -> list[dict[str, Any]]:
        """The first answer to some held-out prompts, from the parent and from the new policy: to
        those whose score changed most, the largest change first, where a reward model judged."""
        both = list(zip(self.rollouts[PARENT], self.rollouts[NEW], strict=True))
        if self.are_judged:
            both.sort(key=lambda pair: -abs(pair[1].scores[0].item() - pair[0].scores[0].item()))
        return [self._sample(before, after) for before, after in both[:SAMPLES]]

    def _sample(self, before: Rollout, after: Rollout) -> dict[str, Any]:
        sample = {"prompt": before.prompt, "before": before.texts[0], "after": after.texts[0]}
        if not self.are_judged:
            return sample
        scores = {"score_before": before.scores[0].item(), "score_after": after.scores[0].item()}
        return {**sample, **scores}


def _lengths(rollouts: Sequence[Rollout]) -> NDArray[np.float64]:
    """The mean number of tokens of each prompt's answers."""
    answers = [rollout.group.answers for rollout in rollouts]
    return np.array([np.mean([len(answer) for answer in own]) for own in answers])


def _each_answer(rollouts: Sequence[Rollout]) -> dict[str, list[float]]:
    """Normalised score and number of tokens of each answer, of the first MOST_REPORTED."""
    scores = [round(score, 3) for rollout in rollouts for score in rollout.scores.tolist()]
    tokens = [len(answer) for rollout in rollouts for answer in rollout.group.answers]
    return {"score": scores[:MOST_REPORTED], "tokens": tokens[:MOST_REPORTED]}


def answer_before_and_after(
    config: PolicyConfig,
    run: RunFolder,
    policy: AdaptedPolicy,
    trainer: Trainer,
    parent: Weights,
    heldout: Sequence[PromptRow],
    second: RewardScorer | None = None,
) -> HeldoutAnswers:
    """The policy has its new weights, before and afterwards; `parent` are those of before.

    `second` judges them too, for the gate."""
    rows = heldout[: config.heldout_prompts]
    seeds = [heldout_seeds(config, place) for place in range(len(rows))]
    answers = HeldoutAnswers({}, {}, policy.scorer is not None, {})
    for name, weights in {PARENT: parent, NEW: trainer.weights()}.items():
        run.progress("evaluating", len(answers.rollouts), 2)
        trainer.set_weights(weights)
        answers.rollouts[name] = policy.rollouts([row.prompt for row in rows], seeds)
        if rows:
            experiences = policy.measured(answers.rollouts[name])
            answers.measured[name] = metrics_of(summarise(experiences))
        if rows and second is not None:
            asked = [(rollout.prompt, rollout.texts) for rollout in answers.rollouts[name]]
            answers.second[name] = second.scores(asked, config.tokens_per_batch)
    return replace(answers, doubt=_doubt(policy, answers.rollouts))


def _doubt(policy: AdaptedPolicy, rollouts: dict[str, list[Rollout]]) -> float | None:
    """How unsure the reward model is of the gain; None where it has no posterior."""
    changes = [
        new.features.mean(0) - old.features.mean(0)
        for old, new in zip(rollouts[PARENT], rollouts[NEW], strict=True)
        if old.features is not None and new.features is not None
    ]
    if policy.scorer is None or not changes:
        return None
    without_length = policy.config.without_length
    covariances = policy.scorer.doubts(torch.stack(changes), without_length=without_length)
    return doubt_of_mean(covariances.double().numpy())
