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
from collections.abc import Iterator
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
from rewardmodel.learning.core.speed import Pace
from rewardmodel.learning.policy.best_of_n import report_best_of_n
from rewardmodel.learning.policy.dpo import learn_from_rankings
from rewardmodel.learning.policy.evaluation import answer_before_and_after
from rewardmodel.learning.policy.experience import Experience
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.pretraining_mix import TextBatch
from rewardmodel.learning.policy.update import PolicyUpdate, new_update

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
    if config.algorithm == "best_of_n":
        if accelerator.is_main_process:
            report_best_of_n(config, run, policy, heldout)
        return
    update = new_update(config, run, accelerator, policy, prompts, heldout)
    for done, metrics in fit(update, update.resume()):
        run.progress("training", done, config.steps, metrics)
        update.save(done)
    update.finish()
    if accelerator.is_main_process:
        _judge_and_publish(update)


def fit(update: PolicyUpdate, start: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Samples, scores, updates, until the steps are done or a check says stop; yields finished
    steps and their metrics."""
    config, run, policy, trainer = update.config, update.run, update.policy, update.trainer
    algorithm, text, stopping = update.algorithm, update.text, update.stopping
    pace, answers = Pace(), update.prompts_per_step * config.answers_per_prompt
    for step in range(start, config.steps):
        run.progress("sampling", step, config.steps)
        rollouts = update.answer(step)
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
                metrics = update.measure(experiences)
                policy.follow(metrics)
                if stopping.stops(step, metrics, trainer.weights()):
                    trainer.set_weights(stopping.kept)  # the gradient is dropped
                    return
            updated = trainer.step(step)
        yield step + 1, {**asdict(metrics), **updated, **pace.step(answers * metrics.tokens)}


def _judge_and_publish(update: PolicyUpdate) -> None:
    """Answers the held-out prompts with the same seeds before and after, and judges."""
    config, run, policy, stopping = update.config, update.run, update.policy, update.stopping
    second = stopping.judge if config.heldout_reward_model else None
    answers = answer_before_and_after(
        config, run, policy, update.trainer, update.parent, update.heldout, second
    )
    result = {
        "metrics": {
            **answers.report(),
            "steps": stopping.steps,
            "kept_step": stopping.best.step if stopping.best else None,
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
