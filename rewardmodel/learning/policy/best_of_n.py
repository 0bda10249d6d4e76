"""Best-of-n: the answer that the reward model likes best. Trains nothing, leaves a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy.losses import best_of_n_divergence, expected_best
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import Rollout, seeds_of

SAMPLES = 8


def report_best_of_n(
    config: PolicyConfig, run: RunFolder, policy: AdaptedPolicy, heldout: Sequence[PromptRow]
) -> None:
    """Held-out reward by n, with the divergence that n costs at most. Raises TrainingFailure."""
    rows = heldout[: config.heldout_prompts]
    if not rows:
        raise TrainingFailure(f"No held-out prompt to answer in {config.snapshot}.")
    run.progress("evaluating", 0, 1)
    seeds = [seeds_of(config, -1, place, config.best_of) for place in range(len(rows))]
    rollouts = policy.rollouts([row.prompt for row in rows], seeds)
    by_n = [_best_of(n, rollouts) for n in _counts(config.best_of)]
    result = {
        "metrics": {"algorithm": config.algorithm, "prompts": len(rows), "by_n": by_n},
        "gate": Gate(False, Verdict(Code.BEST_OF_N_REPORT)).report(),
        "samples": [_sample(rollout) for rollout in rollouts[:SAMPLES]],
        "provenance": provenance(config, run),
    }
    run.report(result)


def _counts(most: int) -> list[int]:
    """1, 2, 4, ... and `most` itself."""
    powers = [1 << k for k in range(most.bit_length()) if 1 << k < most]
    return [*powers, most]


def _best_of(count: int, rollouts: Sequence[Rollout]) -> dict[str, float]:
    best = [expected_best(rollout.rewards, count) for rollout in rollouts]
    reward = sum(best) / len(best)
    return {"n": count, "reward": reward, "divergence_bound": best_of_n_divergence(count)}


def _sample(rollout: Rollout) -> dict[str, Any]:
    """The first answer and the best one."""
    best = int(rollout.rewards.argmax())
    return {
        "prompt": rollout.prompt,
        "before": rollout.texts[0],
        "after": rollout.texts[best],
        "score_before": rollout.scores[0].item(),
        "score_after": rollout.scores[best].item(),
    }
