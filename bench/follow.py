"""Whether a policy follows people: `python bench/follow.py --model FOLDER --answered FILE`.

A scripted teacher ranks the answers in FILE (`bench/few_labels.py` makes it); stages 3 and 4 learn
from so many of the groups as their scripts do from the command line; then the teacher judges four
answers of the base and of the new policy to prompts that neither stage saw. `win rate` is the
chance that a random answer of the new policy is better than one of the base to the same prompt.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups
from bench.comparison import ROOT, machine
from bench.few_labels import answered, rank
from rewardmodel.learning.core.snapshot import GroupRow
from rewardmodel.rehearsal.statistics import bootstrap, win_rate
from rewardmodel.rehearsal.teachers import Messages, Teacher, find_teacher

NEW_TOKENS, ANSWERS, SEED = 64, 4, 1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--answered", type=Path, required=True)
    parser.add_argument("--teacher", default="speaks_to_reader")
    parser.add_argument("--groups", type=int, default=100, help="to learn from; a quarter held out")
    parser.add_argument("--heldout", type=int, default=48, help="prompts that the teacher judges")
    parser.add_argument("--policy", nargs="*", default=[], help="more settings of stage 4, as a=b")
    options = parser.parse_args()
    print(f"# {machine()}")
    teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{options.teacher}")
    rows = answered(options.model, [], options.answered, 10_000)
    random.Random(SEED).shuffle(rows)
    judged, rest = rows[: options.heldout], rows[options.heldout :]
    ranked = [rank(row, teacher) for row in rest]
    ranked = [row for row in ranked if len(set(row.rankings[0].ranks)) > 1][: options.groups]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = folder / "groups.jsonl"
        snapshot.write_text("".join(line_of(n, row) for n, row in enumerate(ranked)))
        given = {"snapshot": snapshot, "base-model": options.model}
        reward = run("train_reward.py", folder / "reward", given)
        print(f"reward model: {reward['gate']['reason']}", flush=True)
        more = dict(part.split("=") for part in options.policy)
        given |= {"reward-model": folder / "reward", "max-new-tokens": NEW_TOKENS, **more}
        policy = run("train_policy.py", folder / "policy", given)
        print(f"policy: {policy['gate']['reason']}", flush=True)
        sources = {
            "base": PolicySource(options.model),
            "new": PolicySource(options.model, str(folder / "policy")),
        }
        scores = {
            which: try_policy(which, each, judged, teacher) for which, each in sources.items()
        }
    difference = bootstrap(scores["new"] - scores["base"])
    print(f"difference {difference.mean:.3f} ({difference.low:.3f} to {difference.high:.3f})")
    print(f"win rate {win_rate(scores['new'], scores['base']):.3f}")


def line_of(number: int, row: GroupRow) -> str:
    split = "heldout" if number % 4 == 0 else "train"
    ranks = [{"labeler": "teacher", "ranks": row.rankings[0].ranks}]
    line = {"id": row.id, "prompt": row.prompt, "answers": row.answers, "rankings": ranks}
    return json.dumps({**line, "split": split}) + "\n"


def run(script: str, output: Path, given: dict[str, Any]) -> dict[str, Any]:
    """result.json of the stage, with its defaults but for what is given."""
    flags = [f"--{name}={value}" for name, value in {**given, "output": output}.items()]
    path = ROOT / "rewardmodel" / "learning" / script
    subprocess.run([sys.executable, str(path), *flags], check=True, stdout=subprocess.DEVNULL)
    result: dict[str, Any] = json.loads(Path(f"{output}.run", "result.json").read_text())
    return result


def try_policy(
    which: str, source: PolicySource, rows: list[GroupRow], teacher: Teacher
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The teacher's scores [prompts, answers]; prints their mean, ends and lengths."""
    network, tokenizer = load_policy(source)
    parameters = SamplingParameters(max_new_tokens=NEW_TOKENS)
    groups = sample_groups(
        network, tokenizer, [row.prompt for row in rows], ANSWERS, parameters, SEED
    )
    completions = [completion for group in groups for completion in group]
    scores = np.array(
        [
            [teacher(cast(Messages, row.prompt), completion.text) for completion in group]
            for row, group in zip(rows, groups, strict=True)
        ]
    )
    ended = np.mean([completion.finish_reason == "stop" for completion in completions])
    tokens = np.mean([len(completion.token_ids) for completion in completions])
    print(
        f"{which}: teacher {scores.mean():.3f}, ended {ended:.2f}, tokens {tokens:.0f}", flush=True
    )
    return scores


if __name__ == "__main__":
    main()
