"""Stage 4: a better policy by RLOO (arXiv 2402.14740) or PPO, sampled and scored in groups; or
straight from rankings, by DPO (policy/dpo.py).

    accelerate launch rewardmodel/learning/train_policy.py --snapshot prompts.jsonl \
        --base-model MODEL --reward-model FOLDER --output FOLDER [--adapter PARENT]

Differs from the paper: adapters, whose absence is the reference, and a penalty for answers that
do not end. Only training prompts are answered in training; held-out ones only to evaluate.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

from transformers import set_seed

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.gate import report
from rewardmodel.learning.core.row_report import row_counts, row_sentence
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import provenance, run_script
from rewardmodel.learning.core.snapshot import read_prompts
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.core.speed import Pace
from rewardmodel.learning.core.trainer import Trainer, Weights, shuffled
from rewardmodel.learning.policy.algorithms import Algorithm, new_algorithm
from rewardmodel.learning.policy.best_of_n import report_best_of_n
from rewardmodel.learning.policy.dpo import learn_from_rankings
from rewardmodel.learning.policy.early_stopping import EarlyStopping
from rewardmodel.learning.policy.evaluation import answer_before_and_after
from rewardmodel.learning.policy.experience import Experience
from rewardmodel.learning.policy.metrics import metrics_of, summarise
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.pretraining_mix import PretrainingMix, TextBatch, WithText
from rewardmodel.learning.policy.rollout import Rollout, seeds_of
from rewardmodel.learning.policy.sampling import share_that_ends

Batch = TextBatch | Experience


def train(config: PolicyConfig, run: RunFolder) -> None:
    """One run from prompts or rankings to result. Raises TrainingFailure and errors of loading."""
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    if config.algorithm == "dpo":
        learn_from_rankings(config, run, accelerator)
        return
    prompts, heldout = read_prompts(Path(config.snapshot), config.heldout_percent)
    if not prompts:
        raise TrainingFailure(f"No prompt to train on in {config.snapshot}.")
    policy = AdaptedPolicy(config, accelerator.device, [*prompts, *heldout])
    run.tell(row_sentence("prompts", len(prompts) + len(heldout), {}, policy.cuts))
    if config.algorithm != "best_of_n":
        _update(config, run, accelerator, policy, prompts, heldout)
    elif accelerator.is_main_process:
        report_best_of_n(config, run, policy, heldout)


def _update(
    config: PolicyConfig,
    run: RunFolder,
    accelerator: Processes,
    policy: AdaptedPolicy,
    prompts: Sequence[PromptRow],
    heldout: Sequence[PromptRow],
) -> None:
    """Learns from its own answers to the prompts; the held-out ones say whether it got better."""
    algorithm = new_algorithm(config, policy)
    text = PretrainingMix(config, run, accelerator, policy) if config.pretraining_text else None
    module = WithText(algorithm.module, text.losses) if text else algorithm.module
    trainer = Trainer(accelerator, module, config, config.peak_learning_rate, config.steps)
    parent = trainer.weights()
    stopping = EarlyStopping(config, accelerator, policy, [row.prompt for row in heldout], parent)
    stateful = (stopping, policy.end_penalty, policy.price)
    start, state = trainer.resume(run.checkpoints)
    for each in stateful:
        each.restore(state)
    if not start and config.missing_end_penalty:
        policy.end_penalty.begin(share_that_ends(policy.sampler, accelerator, heldout or prompts))
    for done, metrics in fit(
        config, run, trainer, policy, algorithm, text, stopping, prompts, start
    ):
        run.progress("training", done, config.steps, metrics)
        kept = {name: tensor for each in stateful for name, tensor in each.state().items()}
        trainer.save(run.checkpoints, done, kept)
    if accelerator.is_main_process:
        _judge_and_publish(config, run, policy, trainer, parent, heldout, stopping)


def fit(
    config: PolicyConfig,
    run: RunFolder,
    trainer: Trainer,
    policy: AdaptedPolicy,
    algorithm: Algorithm,
    text: PretrainingMix | None,
    stopping: EarlyStopping,
    prompts: Sequence[PromptRow],
    start: int,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Samples, scores, updates, until the steps are done or a check says stop; yields finished
    steps and their metrics."""
    pace, answers = Pace(), min(config.prompts_per_step, len(prompts)) * config.answers_per_prompt
    for step in range(start, config.steps):
        run.progress("sampling", step, config.steps)
        rollouts = _answer(config, policy, trainer, prompts, step)
        run.progress("training", step, config.steps)
        experiences = algorithm.prepare(list(policy.experiences(rollouts)))
        batches: list[Batch] = [*(text.batches(step) if text else []), *experiences]
        for epoch in range(config.inner_epochs):
            for batch in trainer.passes(batches):
                with autocast(policy.device):
                    if isinstance(batch, TextBatch):
                        loss = batch.price * trainer.module(batch.rows).sum()
                    else:
                        new = algorithm.read(trainer.module, batch.batch)
                        loss = algorithm.loss(new, batch.old_or(new), batch) / answers
                trainer.backward(loss)
            if epoch == 0:  # no weight has moved yet
                sums = summarise(experiences).to(policy.device)
                metrics = metrics_of(trainer.accelerator.reduce(sums, reduction="sum"))
                policy.follow(metrics)
                if stopping.stops(step, metrics, trainer.weights()):
                    trainer.set_weights(stopping.kept)  # the gradient is dropped
                    return
            updated = trainer.step(step)
        yield step + 1, {**asdict(metrics), **updated, **pace.step(answers * metrics.tokens)}


def _answer(
    config: PolicyConfig,
    policy: AdaptedPolicy,
    trainer: Trainer,
    prompts: Sequence[PromptRow],
    step: int,
) -> list[Rollout]:
    """This process's share of the step's prompts, answered; the same seeds in any share."""
    per_step = min(config.prompts_per_step, len(prompts))
    order = shuffled(len(prompts), config.seed, step * per_step, per_step)
    mine = trainer.shard(list(enumerate(order)), "prompts_per_step")
    return policy.rollouts(
        [prompts[i].prompt for _, i in mine],
        [seeds_of(config, step, place, config.answers_per_prompt) for place, _ in mine],
    )


def _judge_and_publish(
    config: PolicyConfig,
    run: RunFolder,
    policy: AdaptedPolicy,
    trainer: Trainer,
    parent: Weights,
    heldout: Sequence[PromptRow],
    stopping: EarlyStopping,
) -> None:
    """Answers the held-out prompts with the same seeds before and after, and judges."""
    second = stopping.judge if config.heldout_reward_model else None
    answers = answer_before_and_after(config, run, policy, trainer, parent, heldout, second)
    result = {
        "metrics": {
            **answers.report(),
            "steps": stopping.steps,
            **row_counts({}, policy.cuts),
            "stopped": report(stopping.stopped) if stopping.stopped else None,
            "checks": stopping.history,
        },
        "gate": answers.gate(config.kl_budget, stopping.stopped).report(),
        "samples": answers.samples(),
        "provenance": provenance(config, run),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), policy.save, result)


if __name__ == "__main__":
    sys.exit(run_script(PolicyConfig, train, sys.argv[1:]))
