"""What stops a policy update, its divergence budget or reward hacking, and which weights stay.

Reward hacking is that training reward rises while held-out answers get worse. What stays are the
weights of the best check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from annotation.lm.chat import Messages
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.gate import Verdict
from rewardmodel.learning.core.run_folder import require_finite
from rewardmodel.learning.core.trainer import Weights
from rewardmodel.learning.policy.metrics import ENDS_MAY_FALL, PolicyMetrics, metrics_over
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import checked_seeds
from rewardmodel.learning.reward.scorer import RewardScorer

NEARLY = 0.9
"""Of the budget: the held-out answers, by which the gate judges, diverge now more, now less than a
step's do, and a policy that is over it then does not serve."""


@dataclass(frozen=True)
class Check:
    """A policy's answers to the checked prompts, the same prompts and seeds every time.

    `training` is the mean score of the same policy's answers to the step's training prompts;
    `rewards` and `ended` [prompts] are mean scores and shares of each held-out prompt's answers,
    `divergence` is the mean of them all, in nats.
    """

    step: int
    training: float
    rewards: Tensor
    ended: Tensor
    divergence: float

    def worth(self, beta: float) -> float:
        """What an update is to raise: reward, less `beta` a nat of divergence."""
        return self.rewards.mean().item() - beta * self.divergence


def alarm(best: Check, now: Check) -> Verdict | None:
    """Why to stop, when training reward rose from `best` to `now` while held-out answers fell.

    A fall counts when the mean of the prompts' changes is more than three of its standard errors
    below 0: of eight prompts one that chance makes in about one check of a hundred (Student's t).
    """
    if now.training <= best.training:
        return None
    if not _fell(now.rewards - best.rewards):
        return None
    return Verdict(
        Code.STOPPED_BY_HELDOUT_REWARD,
        {
            "steps": now.step,
            "since": best.step,
            "low": best.training,
            "high": now.training,
            "before": best.rewards.mean().item(),
            "after": now.rewards.mean().item(),
        },
    )


def is_better(now: Check, best: Check, ended_first: float, beta: float) -> bool:
    """Whether a check is worth more, and its answers end as the gate asks.

    `ended_first` is the share that ended before the first update, `beta` the price of a nat.
    """
    ends = float(now.ended.mean()) >= ended_first - ENDS_MAY_FALL
    return ends and now.worth(beta) > best.worth(beta)


def _fell(changes: Tensor) -> bool:
    if len(changes) < 2:
        return False
    error = changes.std() / len(changes) ** 0.5
    return bool(changes.mean() < -3 * error) and bool(changes.mean() < -1e-6)


class EarlyStopping:
    """Looks at the policy before each update, and remembers what to go back to.

    `kept` are the last weights within the divergence budget; `stopped` says why the run was
    stopped, if it was, and `steps` before which update.
    """

    def __init__(
        self,
        config: PolicyConfig,
        accelerator: Processes,
        policy: AdaptedPolicy,
        heldout: Sequence[Messages],
        parent: Weights,
    ) -> None:
        self.config, self.accelerator, self.policy = config, accelerator, policy
        self.prompts = heldout[: config.check_prompts]
        self.judge = policy.scorer
        if config.heldout_reward_model:
            self.judge = RewardScorer(config.heldout_reward_model, accelerator.device)
        self.best: Check | None = None
        self.best_weights: Weights = {}
        self.history: list[list[float]] = []
        self.kept = parent
        self.stopped: Verdict | None = None
        self.steps = config.steps

    def stops(self, step: int, metrics: PolicyMetrics, weights: Weights) -> bool:
        """Whether to stop before the step's update.

        `metrics` are of the step's answers, which a policy of those `weights` gave. Raises
        TrainingFailure where one of them is not finite.
        """
        require_finite(asdict(metrics), f"step {step + 1}")
        if metrics.kl > NEARLY * self.config.kl_budget:
            found = {"steps": step, "divergence": metrics.kl}
            self.stopped = Verdict(Code.STOPPED_BY_BUDGET, found)
        else:
            self.kept = weights
            if self._due(step):
                self.stopped = self._look(step, metrics.score, weights)
        if self.stopped:
            self.steps = step
        return self.stopped is not None

    def finish(self, last: Weights) -> Weights:
        """The weights that stay: those of the best check, one more of the `last` ones counted.

        `last` are those that the final update left or, of a stopped run, `kept`; where nothing is
        checked they stay.
        """
        if self.best is None:
            return last
        beyond = self.stopped is not None and self.stopped.code is Code.STOPPED_BY_BUDGET
        step = self.steps - 1 if beyond else self.steps
        newest, training, *_ = self.history[-1]
        if step != newest:
            self.stopped = self._look(step, training, last) or self.stopped
        return self.best_weights

    def _due(self, step: int) -> bool:
        return bool(self.config.check_every and self.prompts and not step % self.config.check_every)

    def _look(self, step: int, training: float, weights: Weights) -> Verdict | None:
        """Answers the held-out prompts with the policy as it is; why to stop, or None."""
        now = self._check(step, training)
        means = [float(now.rewards.mean()), float(now.ended.mean())]
        self.history.append([float(step), training, *means, now.divergence])
        reason = alarm(self.best, now) if self.best else None
        _, _, _, ended_first, _ = self.history[0]
        if self.best is None or is_better(now, self.best, ended_first, self.config.beta):
            self.best, self.best_weights = now, weights
        return reason

    def _check(self, step: int, training: float) -> Check:
        """Every process answers its share; all of them get the same table."""
        accelerator, config = self.accelerator, self.config
        mine = accelerator.own(range(len(self.prompts)))
        rollouts = self.policy.rollouts(
            [self.prompts[place] for place in mine],
            [checked_seeds(config, place) for place in mine],
            self.judge,
        )
        table = torch.zeros(2, len(self.prompts), device=accelerator.device)
        for place, rollout in zip(mine, rollouts, strict=True):
            table[0, place] = rollout.scores.mean()
            table[1, place] = rollout.ended.mean()
        rewards, ended = accelerator.reduce(table, reduction="sum").cpu()
        measured = metrics_over(self.policy.measured(rollouts), accelerator)
        return Check(step, training, rewards, ended, measured.kl)

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        tensors = {f"stopping/kept/{name}": tensor for name, tensor in self.kept.items()}
        if self.best is not None:
            tensors |= {
                "stopping/checks": torch.tensor(self.history),
                "stopping/best": torch.tensor(
                    [self.best.step, self.best.training, self.best.divergence]
                ),
                "stopping/rewards": self.best.rewards,
                "stopping/ended": self.best.ended,
                **{
                    f"stopping/weights/{name}": tensor for name, tensor in self.best_weights.items()
                },
            }
        return {name: tensor.clone() for name, tensor in tensors.items()}  # none shares memory

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`; an empty one changes nothing."""
        self.kept = _within(state, "stopping/kept/") or self.kept
        if "stopping/checks" not in state:
            return
        self.history = state["stopping/checks"].tolist()
        step, training, divergence = state["stopping/best"].tolist()
        rewards, ended = state["stopping/rewards"], state["stopping/ended"]
        self.best = Check(round(step), training, rewards, ended, divergence)
        self.best_weights = _within(state, "stopping/weights/")


def _within(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
