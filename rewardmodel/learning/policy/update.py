"""What a policy update works with, wired together; the loop itself is in train_policy.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.core.trainer import Trainer, Weights, shuffled
from rewardmodel.learning.policy.algorithms import Algorithm, new_algorithm
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.early_stopping import EarlyStopping
from rewardmodel.learning.policy.end_penalty import EndPenalty
from rewardmodel.learning.policy.experience import Experience
from rewardmodel.learning.policy.metrics import PolicyMetrics, metrics_over
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.pretraining_mix import PretrainingMix, WithText
from rewardmodel.learning.policy.rollout import Rollout, seeds_of
from rewardmodel.learning.policy.sampling import share_that_ends


@dataclass(frozen=True)
class PolicyUpdate:
    """The policy learns from its own answers to `prompts`; those to `heldout` say whether it got
    better. `algorithm` says what is minimised, and `text`, if there is one, what stays likely.

    `parent` are the weights before the first step; `stopping` looks at each step before its update.
    """

    config: PolicyConfig
    run: RunFolder
    prompts: Sequence[PromptRow]
    heldout: Sequence[PromptRow]
    policy: AdaptedPolicy
    algorithm: Algorithm
    text: PretrainingMix | None
    trainer: Trainer
    parent: Weights
    stopping: EarlyStopping

    @property
    def prompts_per_step(self) -> int:
        return min(self.config.prompts_per_step, len(self.prompts))

    def resume(self) -> int:
        """The steps that are done, by the newest checkpoint, from which all goes on."""
        start, state = self.trainer.resume(self.run.checkpoints)
        for each in self._stateful:
            each.restore(state)
        if not start and self.config.missing_end_penalty:
            rows = self.heldout or self.prompts
            ending = share_that_ends(self.policy.sampler, self.trainer.accelerator, rows)
            self.policy.end_penalty.begin(ending)
        return start

    def save(self, done: int) -> None:
        """A checkpoint after `done` steps, when one is due."""
        kept = {name: tensor for each in self._stateful for name, tensor in each.state().items()}
        self.trainer.save(self.run.checkpoints, done, kept)

    def finish(self) -> None:
        """Goes back to the weights of the best check."""
        self.trainer.set_weights(self.stopping.finish(self.trainer.weights()))

    @property
    def _stateful(self) -> tuple[EarlyStopping, EndPenalty, DivergencePrice]:
        """What a resumed run needs beside the trainer."""
        return self.stopping, self.policy.end_penalty, self.policy.price

    def answer(self, step: int) -> list[Rollout]:
        """This process's share of the step's prompts, answered; the same seeds in any share."""
        config, per_step = self.config, self.prompts_per_step
        order = shuffled(len(self.prompts), config.seed, step * per_step, per_step)
        mine = self.trainer.shard(list(enumerate(order)), "prompts_per_step")
        return self.policy.rollouts(
            [self.prompts[i].prompt for _, i in mine],
            [seeds_of(config, step, place, config.answers_per_prompt) for place, _ in mine],
        )

    def measure(self, experiences: Sequence[Experience]) -> PolicyMetrics:
        """Of a step's answers in all processes."""
        return metrics_over(experiences, self.trainer.accelerator)


def new_update(
    config: PolicyConfig,
    run: RunFolder,
    accelerator: Processes,
    policy: AdaptedPolicy,
    prompts: Sequence[PromptRow],
    heldout: Sequence[PromptRow],
) -> PolicyUpdate:
    """Before its first step. Raises ConfigError, TrainingFailure and errors of loading."""
    algorithm = new_algorithm(config, policy)
    text = PretrainingMix(config, run, accelerator, policy) if config.pretraining_text else None
    module = WithText(algorithm.module, text.losses) if text else algorithm.module
    trainer = Trainer(accelerator, module, config, config.peak_learning_rate, config.steps)
    parent = trainer.weights()
    stopping = EarlyStopping(config, accelerator, policy, [row.prompt for row in heldout], parent)
    return PolicyUpdate(
        config, run, prompts, heldout, policy, algorithm, text, trainer, parent, stopping
    )
