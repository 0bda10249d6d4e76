"""Whether a policy follows people: `python bench/follow.py --model FOLDER --prompts FILE ...`.

Rounds of the loop on a bare machine, without database or worker: the policy answers so many prompts
as --rankings says, K = 4, a scripted teacher ranks the answers, stage 3 learns from all rankings so
far and stage 4 from prompts, both as their scripts do from the command line, on their defaults.
After each round the teacher judges four answers of the base and of the newest policy to prompts
that no stage saw, drawn by a seed of their own. `wins` is the chance that a random answer of the
new policy is better than one of the base to the same prompt, a tie counting one half; intervals are
over resampled prompts. Teachers and seeds are played one after the other; start several processes
to play them at once. --report keeps each round's figures as a line of JSON.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups
from bench.comparison import machine
from bench.few_labels import ANSWERS, NEW_TOKENS, rank
from rewardmodel.learning import train_policy, train_reward
from rewardmodel.learning.configs import PolicyConfig, RewardConfig
from rewardmodel.learning.core.script import run_script
from rewardmodel.learning.core.snapshot import GroupRow, json_rows
from rewardmodel.rehearsal.statistics import bootstrap, win_at_equal_length, win_interval
from rewardmodel.rehearsal.teachers import Messages, find_teacher

JUDGING_SEED = 900_001


@dataclass(frozen=True)
class Answers:
    """Of a policy to some prompts: texts and their tokens [prompts, answers], the share that ended
    by itself."""

    texts: list[list[str]]
    tokens: np.ndarray[Any, np.dtype[np.float64]]
    ended: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--prompts", type=Path, nargs="+", required=True, help="JSON Lines")
    parser.add_argument("--teachers", nargs="+", default=["speaks_to_reader"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rankings", type=int, default=100, help="in each round")
    parser.add_argument("--judged", type=int, default=64, help="prompts that the teacher judges")
    parser.add_argument("--reward", nargs="*", default=[], help="settings of stage 3, as a=b")
    parser.add_argument("--policy", nargs="*", default=[], help="settings of stage 4, as a=b")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    print(f"# {machine()}", flush=True)
    for teacher in options.teachers:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as folder:
                play(teacher, seed, Path(folder), options)


def play(name: str, seed: int, folder: Path, options: argparse.Namespace) -> None:
    """All rounds with one teacher and one seed, which also draws the prompts."""
    prompts = english(options.prompts)
    random.Random(seed).shuffle(prompts)
    judged, asked = prompts[: options.judged], prompts[options.judged :]
    asked = asked[: options.rounds * options.rankings]
    everything = folder / "prompts.jsonl"
    everything.write_text("".join(json.dumps(row) + "\n" for row in asked))
    base = answer(PolicySource(options.model), judged, JUDGING_SEED + seed)
    groups = folder / "groups.jsonl"
    groups.touch()
    adapter: Path | None = None
    for number in range(1, options.rounds + 1):
        began = time.perf_counter()
        source = PolicySource(options.model, str(adapter) if adapter else None)
        now = asked[(number - 1) * options.rankings : number * options.rankings]
        said = answer(source, now, 1000 * seed + number)
        with groups.open("a") as file:
            file.writelines(
                ranked(name, row, texts) for row, texts in zip(now, said.texts, strict=True)
            )
        given = {"seed": seed, "base-model": options.model}
        reward = train(
            RewardConfig, folder / f"reward-{number}", {**given, "snapshot": groups}, options.reward
        )
        given |= {"snapshot": everything, "reward-model": folder / f"reward-{number}"}
        given |= {"adapter": adapter} if adapter else {}
        policy = train(
            PolicyConfig,
            folder / f"policy-{number}",
            {**given, "max-new-tokens": NEW_TOKENS},
            options.policy,
        )
        adapter = folder / f"policy-{number}"
        shutil.rmtree(folder / f"reward-{number}")
        new = answer(PolicySource(options.model, str(adapter)), judged, JUDGING_SEED + seed)
        found = compared(name, judged, base, new)
        found = {"teacher": name, "seed": seed, "round": number, **found}
        found |= {"settings": [*options.reward, *options.policy]}
        found |= {"seconds": round(time.perf_counter() - began)}
        tell(found, reward, policy, options.report)


def english(paths: list[Path]) -> list[dict[str, Any]]:
    rows = [row for path in paths for _, row in json_rows(path) if row["lang"] == "en"]
    return [
        {"id": str(row["id"]), "prompt": row.get("prompt") or row["messages"][:-1]} for row in rows
    ]


def answer(source: PolicySource, rows: list[dict[str, Any]], seed: int) -> Answers:
    network, tokenizer = load_policy(source)
    parameters = SamplingParameters(max_new_tokens=NEW_TOKENS)
    prompts = [row["prompt"] for row in rows]
    groups = sample_groups(network, tokenizer, prompts, ANSWERS, parameters, seed)
    return Answers(
        [[completion.text for completion in group] for group in groups],
        np.array([[float(len(c.token_ids)) for c in group] for group in groups]),
        float(np.mean([c.finish_reason == "stop" for group in groups for c in group])),
    )


def ranked(teacher: str, row: dict[str, Any], texts: list[str]) -> str:
    """A line of a snapshot."""
    group = GroupRow(row["id"], row["prompt"], "train", texts, [])
    ranks = rank(group, find_teacher(teacher)).rankings[0].ranks
    rankings = [{"labeler": "teacher", "ranks": ranks}]
    return json.dumps({**row, "answers": texts, "rankings": rankings}) + "\n"


def train(
    kind: type[RewardConfig] | type[PolicyConfig],
    output: Path,
    given: dict[str, Any],
    more: list[str],
) -> dict[str, Any]:
    """result.json of a stage."""
    flags = [f"--{name}={value}" for name, value in {**given, "output": output}.items()]
    settings = [setting.partition("=") for setting in more]
    flags += [f"--{field.replace('_', '-')}={value}" for field, _, value in settings]
    if kind is RewardConfig:
        code = run_script(RewardConfig, train_reward.train, flags)
    else:
        code = run_script(PolicyConfig, train_policy.train, flags)
    if code:
        raise SystemExit(code)
    result: dict[str, Any] = json.loads(Path(f"{output}.run", "result.json").read_text())
    return result


def compared(name: str, rows: list[dict[str, Any]], base: Answers, new: Answers) -> dict[str, Any]:
    """What the teacher thinks of both policies' answers."""
    teacher = find_teacher(name)
    before, after = (
        np.array(
            [
                [teacher(cast(Messages, row["prompt"]), text) for text in texts]
                for row, texts in zip(rows, answers.texts, strict=True)
            ]
        )
        for answers in (base, new)
    )
    alike = win_at_equal_length(after, before, new.tokens, base.tokens)
    return {
        "scores": [before.mean(), after.mean()],
        "difference": vars(bootstrap(after - before)),
        "wins": vars(win_interval(after, before)),
        "wins_at_equal_length": vars(alike) if alike else None,
        "ended": [base.ended, new.ended],
        "tokens": [base.tokens.mean(), new.tokens.mean()],
        "sample": new.texts[0][0],
    }


def tell(
    found: dict[str, Any], reward: dict[str, Any], policy: dict[str, Any], report: Path | None
) -> None:
    heldout = reward["metrics"]["heldout"]
    judged = {name: policy["metrics"].get(name) for name in ("parent", "new", "steps", "gain")}
    stopped = policy["metrics"].get("stopped")
    found |= {"reward_model": {name: heldout.get(name) for name in ("accuracy", "log_loss")}}
    found |= {"policy": {**judged, "stopped": stopped and stopped["reason"]}}
    alike = found["wins_at_equal_length"] or {"mean": float("nan")}
    print(
        f"{found['teacher']} {found['seed']} round {found['round']}: wins "
        f"{found['wins']['mean']:.3f}, at equal length {alike['mean']:.3f}, "
        f"reward model {heldout.get('accuracy') or 0:.3f}, "
        f"kl {(judged['new'] or {}).get('kl', 0):.1f} in {judged['steps']} steps, "
        f"ended {found['ended'][0]:.2f} to {found['ended'][1]:.2f}, "
        f"tokens {found['tokens'][0]:.0f} to {found['tokens'][1]:.0f}, {found['seconds']} s",
        flush=True,
    )
    if report:
        with report.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
