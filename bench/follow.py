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
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from annotation.lm.loading import PolicySource
from bench.comparison import machine
from bench.few_labels import ANSWERS, NEW_TOKENS, english, rank
from rewardmodel.learning import train_policy, train_reward
from rewardmodel.learning.configs import PolicyConfig, RewardConfig
from rewardmodel.learning.core.script import run_script
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.rehearsal.evaluation import Answered, Trial, compared, judge, sampled
from rewardmodel.rehearsal.teachers import Teacher, find_teacher

JUDGING_SEED = 900_001
FIGURES = ("parent", "new", "steps", "gain", "gain_deviation", "gain_over_prompts", "intervals")
Prompt = dict[str, Any]


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
    parser.add_argument("--keep", type=Path, help="folder where groups and policies stay")
    options = parser.parse_args()
    print(f"# {machine()}", flush=True)
    for teacher in options.teachers:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as passing:
                folder = Path(options.keep or passing, f"{teacher}-{seed}")
                folder.mkdir(parents=True)
                play(teacher, seed, folder, options)


def play(name: str, seed: int, folder: Path, options: argparse.Namespace) -> None:
    """All rounds with one teacher and one seed, which also draws the prompts."""
    teacher, model = find_teacher(name), options.model
    prompts = english(options.prompts)
    random.Random(seed).shuffle(prompts)
    judged, asked = prompts[: options.judged], prompts[options.judged :]
    asked = asked[: options.rounds * options.rankings]
    everything, groups = folder / "prompts.jsonl", folder / "groups.jsonl"
    everything.write_text("".join(json.dumps(row) + "\n" for row in asked))

    def trial(adapter: Path | None) -> Trial:
        said = answer(model, adapter, judged, JUDGING_SEED + seed)
        return judge(teacher, [row["prompt"] for row in judged], said)

    adapter: Path | None = None
    base = newest = trial(adapter)
    for number in range(1, options.rounds + 1):
        began = time.perf_counter()
        now = asked[(number - 1) * options.rankings : number * options.rankings]
        said = answer(model, adapter, now, 1000 * seed + number)
        with groups.open("a") as file:
            file.writelines(map(partial(ranked, teacher), now, said.texts))
        given = {"seed": seed, "base-model": model}
        reward_model, policy = folder / f"reward-{number}", folder / f"policy-{number}"
        learned = train(RewardConfig, reward_model, {**given, "snapshot": groups}, options.reward)
        given |= {"snapshot": everything, "reward-model": reward_model}
        given |= {"max-new-tokens": NEW_TOKENS, **({"adapter": adapter} if adapter else {})}
        updated = train(PolicyConfig, policy, given, options.policy)
        shutil.rmtree(reward_model)
        adapter, before, newest = policy, newest, trial(policy)
        found = {"teacher": name, "seed": seed, "round": number, **compared(base, before, newest)}
        found |= {"settings": [*options.reward, *options.policy]}
        found |= {"seconds": round(time.perf_counter() - began)}
        tell(found, learned, updated, options.report)


def answer(model: str, adapter: Path | None, rows: Sequence[Prompt], seed: int) -> Answered:
    source = PolicySource(model, str(adapter) if adapter else None)
    return sampled(source, [row["prompt"] for row in rows], ANSWERS, NEW_TOKENS, seed)


def ranked(teacher: Teacher, row: Prompt, texts: list[str]) -> str:
    """A line of a snapshot."""
    group = GroupRow(row["id"], row["prompt"], "train", texts, [])
    rankings = [{"labeler": "teacher", "ranks": rank(group, teacher).rankings[0].ranks}]
    return json.dumps({**row, "answers": texts, "rankings": rankings}) + "\n"


def flags_of(given: dict[str, Any], more: Sequence[str]) -> list[str]:
    """Of a stage's script; `more` are settings as a=b."""
    settings = [setting.partition("=") for setting in more]
    named = given | {field.replace("_", "-"): value for field, _, value in settings}
    return [f"--{name}={value}" for name, value in named.items()]


def train(
    kind: type[RewardConfig] | type[PolicyConfig],
    output: Path,
    given: dict[str, Any],
    more: list[str],
) -> dict[str, Any]:
    """result.json of a stage."""
    flags = flags_of({**given, "output": output}, more)
    if kind is RewardConfig:
        code = run_script(RewardConfig, train_reward.train, flags)
    else:
        code = run_script(PolicyConfig, train_policy.train, flags)
    if code:
        raise SystemExit(code)
    result: dict[str, Any] = json.loads(Path(f"{output}.run", "result.json").read_text())
    return result


def tell(
    found: dict[str, Any], reward: dict[str, Any], policy: dict[str, Any], report: Path | None
) -> None:
    heldout = reward["metrics"]["heldout"]
    judged = {name: policy["metrics"].get(name) for name in FIGURES}
    stopped = policy["metrics"].get("stopped")
    found |= {"reward_model": {name: heldout.get(name) for name in ("accuracy", "log_loss")}}
    found |= {"policy": {**judged, "stopped": stopped and stopped["reason"]}}
    alike = found["wins_at_equal_length"] or {"mean": float("nan")}
    ended, tokens = found["ended"], found["mean_tokens"]
    print(
        f"{found['teacher']} {found['seed']} round {found['round']}: wins "
        f"{found['wins']['mean']:.3f}, at equal length {alike['mean']:.3f}, "
        f"reward model {heldout.get('accuracy') or 0:.3f}, "
        f"kl {(judged['new'] or {}).get('kl', 0):.1f} in {judged['steps']} steps, "
        f"ended {ended['base']:.2f} to {ended['newest']:.2f}, "
        f"tokens {tokens['base']:.0f} to {tokens['newest']:.0f}, {found['seconds']} s",
        flush=True,
    )
    if report:
        with report.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
