"""Stage 4: a better policy by RLOO (arXiv 2402.14740) or PPO, sampled and scored in groups.

    accelerate launch rewardmodel/learning/train_policy.py --snapshot prompts.jsonl \
        --base-model MODEL --reward-model FOLDER --output FOLDER [--adapter PARENT]

Differs from the paper: adapters, whose absence is the reference, and a penalty for answers that
do not end. Only training prompts are answered in training; held-out ones only to evaluate.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a busy machine

from accelerate import Accelerator
from torch import Tensor
from transformers import set_seed

from rewardmodel.learning.alarms import Watch, within
from rewardmodel.learning.algorithms import new_algorithm
from rewardmodel.learning.best_of_n import report_best_of_n
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.data import PromptRow, read_prompts
from rewardmodel.learning.evaluate import Gate, PolicyMetrics, policy_gate
from rewardmodel.learning.optimisation import Learner, Weights, new_accelerator, shuffled
from rewardmodel.learning.pretraining import PretrainingMix, TextBatch, WithText
from rewardmodel.learning.progress import RunFolder, TrainingFailure
from rewardmodel.learning.rollout import (
    AdaptedPolicy,
    Experience,
    Rollout,
    heldout_seeds,
    metrics_of,
    seeds_of,
    summarise,
)
from rewardmodel.learning.run import provenance, run_script

SAMPLES = 8


def train(config: PolicyConfig, run: RunFolder) -> None:
    """One run from prompts to result. Raises TrainingFailure and the errors of loading."""
    accelerator = new_accelerator()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    prompts, heldout = read_prompts(Path(config.snapshot), config.heldout_percent)
    if not prompts:
        raise TrainingFailure(f"No prompt to train on in {config.snapshot}.")
    everything = [row.prompt for row in [*prompts, *heldout]]
    policy = AdaptedPolicy(config, accelerator.device, everything)
    if config.algorithm != "best_of_n":
        _update(config, run, accelerator, policy, prompts, heldout)
    elif accelerator.is_main_process:
        report_best_of_n(config, run, policy, heldout)


def _update(
    config: PolicyConfig,
    run: RunFolder,
    accelerator: Accelerator,
    policy: AdaptedPolicy,
    prompts: list[PromptRow],
    heldout: list[PromptRow],
) -> None:
    """The loop: sample, score, update; stopped by the divergence budget or by an alarm."""
    algorithm = new_algorithm(config, policy)
    text = PretrainingMix(config, run, accelerator, policy) if config.pretraining_text else None
    module = WithText(algorithm.module, text.losses) if text else algorithm.module
    per_step = min(config.prompts_per_step, len(prompts))
    learner = Learner(accelerator, module, config, config.learning_rate, config.steps)
    parent = learner.weights()
    start, extra = learner.resume(run.checkpoints)
    within_budget = within(extra, "within_budget/") or parent
    watch = Watch(config, accelerator, policy, [row.prompt for row in heldout])
    watch.restore(extra)
    stopped = None

    def loss_of(batch: Experience | TextBatch) -> Tensor:
        if isinstance(batch, TextBatch):
            return batch.loss(learner.module)
        loss = algorithm.loss(batch, learner.module)
        return loss / (per_step * config.answers_per_prompt)

    for step in range(start, config.steps):
        run.progress("sampling", step, config.steps)
        order = shuffled(len(prompts), config.seed, step * per_step, per_step)
        mine = learner.shard(list(enumerate(order)))
        rollouts = policy.rollouts(
            [prompts[i].prompt for _, i in mine],
            [seeds_of(config, step, place, config.answers_per_prompt) for place, _ in mine],
        )
        run.progress("training", step, config.steps)
        # Text first: the last pass of a step is the one whose gradients are exchanged.
        batches: list[Experience | TextBatch] = [*(text.batches(step) if text else [])]
        batches += policy.experiences(rollouts)
        loss = learner.accumulate(batches, loss_of)
        sums = summarise(rollouts, config.missing_end_penalty).to(accelerator.device)
        metrics = metrics_of(accelerator.reduce(sums, reduction="sum"))
        if metrics.kl > config.kl_budget:
            stopped = f"stopped after {step} steps at a divergence of {metrics.kl:.1f} nats"
            learner.set_weights(within_budget)
            break
        within_budget = learner.weights()
        if watch.due(step):
            stopped = watch.look(step, metrics.reward, within_budget)
            if stopped:
                learner.set_weights(watch.best_weights)
                break
        updated = learner.update(step, loss)
        for _ in range(1, config.inner_epochs):
            updated = learner.update(step, learner.accumulate(batches, loss_of))
        run.progress("training", step + 1, config.steps, {**asdict(metrics), **updated})
        kept = {f"within_budget/{name}": tensor for name, tensor in within_budget.items()}
        learner.save(run.checkpoints, step + 1, {**kept, **watch.state()})

    if accelerator.is_main_process:
        _evaluate_and_publish(config, run, policy, learner, parent, heldout, stopped, watch)


def _evaluate_and_publish(
    config: PolicyConfig,
    run: RunFolder,
    policy: AdaptedPolicy,
    learner: Learner,
    parent: Weights,
    heldout: list[PromptRow],
    stopped: str | None,
    watch: Watch,
) -> None:
    """Answers the held-out prompts with the same seeds before and after, and judges."""
    rows = heldout[: config.heldout_prompts]
    new = learner.weights()
    measured: dict[str, PolicyMetrics] = {}
    answered: list[list[Rollout]] = []
    for name, weights in {"parent": parent, "new": new}.items():
        run.progress("evaluating", len(answered), 2)
        learner.set_weights(weights)
        rollouts = _answer_heldout(config, policy, rows)
        answered.append(rollouts)
        if rollouts:
            measured[name] = metrics_of(summarise(rollouts, config.missing_end_penalty))
    if measured:
        gate = policy_gate(measured["parent"], measured["new"], config.kl_budget, stopped)
    else:
        gate = Gate(False, "No held-out prompt to judge by: add prompts.")
    result = {
        "metrics": {
            **{name: asdict(found) for name, found in measured.items()},
            "steps": config.steps,
            "stopped": stopped,
            "checks": watch.history,
        },
        "gate": asdict(gate),
        "samples": _samples(*answered),
        "provenance": provenance(config),
    }
    run.progress("saving", 0, 1)
    run.publish(Path(config.output), policy.save, result)


def _answer_heldout(
    config: PolicyConfig, policy: AdaptedPolicy, rows: list[PromptRow]
) -> list[Rollout]:
    seeds = [heldout_seeds(config, place) for place in range(len(rows))]
    rollouts = policy.rollouts([row.prompt for row in rows], seeds)
    policy.measure(rollouts)
    return rollouts


def _samples(before: list[Rollout], after: list[Rollout]) -> list[dict[str, Any]]:
    """The first answer to some held-out prompts, from the parent and from the new policy."""
    return [
        {
            "prompt": old.prompt,
            "before": old.texts[0],
            "after": new.texts[0],
            "score_before": old.scores[0].item(),
            "score_after": new.scores[0].item(),
        }
        for old, new in list(zip(before, after, strict=True))[:SAMPLES]
    ]


if __name__ == "__main__":
    sys.exit(run_script(PolicyConfig, train, sys.argv[1:]))
