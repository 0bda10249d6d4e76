"""Stages 1 and 2: a language model from raw text, then from demonstrations.

    accelerate launch rewardmodel/learning/train_language.py --stage text \
        --snapshot TEXT --preset mini --output FOLDER              (from scratch)
    accelerate launch rewardmodel/learning/train_language.py --stage text \
        --snapshot TEXT --base-model MODEL --output FOLDER         (continuing)
    accelerate launch rewardmodel/learning/train_language.py --stage demonstrations \
        --snapshot demonstrations.jsonl --base-model MODEL --output FOLDER [--adapter PARENT]

Both minimise the mean of -log p(next token): over all tokens of the text (Radford et al. 2018,
equation 1), or over the answers' tokens only (arXiv 2307.09288, section 3.1).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable from anywhere
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from transformers import set_seed

from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import run_script
from rewardmodel.learning.core.text_packing import learned_in, length_of, row_batches
from rewardmodel.learning.core.trainer import Trainer, shuffled
from rewardmodel.learning.language.journal import Journal
from rewardmodel.learning.language.model import (
    LanguageModel,
    check,
    peak_learning_rate,
)
from rewardmodel.learning.language.training_set import (
    demonstration_training_set,
    get_tokenizer,
    text_training_set,
)


def train(config: LanguageConfig, run: RunFolder) -> None:
    """One run from text to result. Raises TrainingFailure and the errors of loading."""
    check(config)
    accelerator = Processes()
    set_seed(config.seed)
    run.progress("loading", 0, 1)
    tokenizer = get_tokenizer(config, run, accelerator)
    model = LanguageModel(config, tokenizer, accelerator.device)
    if config.stage == "text":
        data = text_training_set(config, tokenizer, run, accelerator, model.row_tokens)
    else:
        data = demonstration_training_set(config, tokenizer, model.row_tokens)
        run.tell(data.account)
    if not data.train:
        raise TrainingFailure(f"Nothing to train on in {config.snapshot}.")
    journal = Journal(config, run, model, data, accelerator)
    journal.before()

    per_step = min(config.examples_per_step, len(data.train))
    steps = config.steps or -(-config.epochs * len(data.train) // per_step)
    trainer = Trainer(accelerator, model.predictions, config, peak_learning_rate(config), steps)
    start, _ = trainer.resume(run.checkpoints)
    journal.resume(start, steps)
    for step in range(start, steps):
        began = time.monotonic()
        drawn = shuffled(len(data.train), config.seed, step * per_step, per_step)
        examples = [data.train[i] for i in drawn]
        learned = learned_in(examples)
        mine = trainer.shard(examples, "examples_per_step")
        for rows in trainer.passes(
            list(row_batches(mine, model.row_tokens, config.tokens_per_batch))
        ):
            batch = model.layout(rows).to(model.device)
            with autocast(model.device):
                losses, hits = trainer.module(batch)
                loss = losses.sum() / learned  # -log p, mean over the step's tokens
            trainer.backward(loss, accuracy=hits.sum() / learned)
        updated = trainer.step(step)
        speed = journal.learned(sum(map(length_of, examples)), time.monotonic() - began)
        run.progress("training", step + 1, steps, {**updated, "tokens_per_second": speed})
        if (step + 1) * config.evaluations // steps > step * config.evaluations // steps:
            journal.note(step + 1, steps)
        trainer.save(run.checkpoints, step + 1)
    if accelerator.is_main_process:
        run.progress("saving", 0, 1)
        run.publish(Path(config.output), model.save, journal.result(steps, trainer.peak))


if __name__ == "__main__":
    sys.exit(run_script(LanguageConfig, train, sys.argv[1:]))
