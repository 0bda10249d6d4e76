"""How a student nears its teacher: `python bench/distil.py --model MODEL --teacher FOLDER FILE`.

FILE holds groups, ranked or not; held-out ones by the hash of the prompt. After each pass over the
others it prints how the student orders the held-out answers where the teacher sets them apart, and
the accuracy and log loss of both on people's rankings. --cut leaves of each prompt the beginning
of its last message, and of three answers their beginnings, for a slow machine; nobody ranked those,
so that rankings are left out then.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, set_seed

from annotation.lm.loading import load_tokenizer
from bench.comparison import machine
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.script import quieten_libraries
from rewardmodel.learning.core.snapshot import json_rows, read_groups
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.reward.agreement import score_agreement
from rewardmodel.learning.reward.distil import target_of_scores, teacher_scores
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.model import new_reward_model, reward_chat, score_groups
from rewardmodel.learning.reward.training_set import encode_training_set
from rewardmodel.learning.train_reward import fit

OF_PROMPT, OF_ANSWER = 30, 24  # tokens that are left


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--groups", type=int, default=90, help="the first of the file")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--learning-rate", type=float, default=RewardConfig.learning_rate)
    parser.add_argument("--heldout-percent", type=int, default=RewardConfig.heldout_percent)
    options = parser.parse_args()
    print(f"# {machine()}")
    quieten_libraries()
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(folder, "groups.jsonl")
        rows = [row for _, row in json_rows(options.file)]
        if options.cut:
            tokenizer = load_tokenizer(options.model)
            rows = [cut(row, tokenizer) for row in rows]
        rows = [row for row in rows if len(row["answers"]) > 1][: options.groups]
        snapshot.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        config = RewardConfig(
            snapshot=str(snapshot),
            base_model=options.model,
            output="-",
            method="distil",
            teacher=options.teacher,
            learning_rate=options.learning_rate,
            heldout_percent=options.heldout_percent,
        )
        distil(config, options.passes)


def cut(row: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    def start(text: str, tokens: int) -> str:
        ids = tokenizer.encode(text, add_special_tokens=False)
        return str(tokenizer.decode(ids[:tokens]))

    answers = list(dict.fromkeys(start(answer, OF_ANSWER) for answer in row["answers"][:3]))
    prompt = [{"role": "user", "content": start(row["prompt"][-1]["content"], OF_PROMPT)}]
    return {"id": row["id"], "prompt": prompt, "answers": answers}


def distil(config: RewardConfig, passes: int) -> None:
    """Prints a line for the teacher, and one after each pass."""
    processes = Processes()
    device = processes.device
    rows = read_groups(Path(config.snapshot), config.heldout_percent, need_rankings=False)
    teacher = teacher_scores(config, rows, device)
    ranked = metrics_of(teacher.ranked(rows).heldout, rows.heldout)
    print(
        f"teacher: spread {spread(teacher.heldout):.2f} nats; {ranked.pairs} ranked pairs, "
        f"accuracy {shown(ranked.accuracy)}, log loss {shown(ranked.log_loss)}",
        flush=True,
    )
    set_seed(config.seed)
    chat = reward_chat(config.base_model)
    model = new_reward_model(config.base_model, chat, config.lora_rank, config.group_tokens)
    model.to(device).train(False)
    layout = model.choose_layout(model.group_tokens)
    targets = [target_of_scores(each, device) for each in teacher.train]
    data = encode_training_set(config, rows, targets, chat, model.group_tokens)
    count = len(data.groups)
    a_pass = -(-count // config.groups_per_step)
    steps = -(-passes * count // config.groups_per_step)
    trainer = Trainer(processes, model, config, config.learning_rate, steps)
    began = time.perf_counter()
    for done, _ in fit(config, trainer, layout, data, range(count)):
        if done % a_pass and done != steps:
            continue
        found = score_groups(model, layout, data.heldout, data.pad, config.tokens_per_batch)
        near = score_agreement(found, teacher.heldout)
        judged = metrics_of(found[: len(rows.heldout)], rows.heldout)
        print(
            f"{done} steps of {steps}, {count} groups, "
            f"{time.perf_counter() - began:.0f} s: agreement {shown(near.agreement)} "
            f"on {near.pairs} pairs, correlation {shown(near.correlation)}, "
            f"spread {spread(found):.2f}, accuracy {shown(judged.accuracy)}, "
            f"log loss {shown(judged.log_loss)}",
            flush=True,
        )


def spread(scores: list[Tensor]) -> float:
    """The deviation of answers' scores within groups."""
    return torch.cat([each - each.mean() for each in scores]).std().item()


def shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
