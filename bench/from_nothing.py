"""A reward model with nothing read before: `python bench/from_nothing.py --model FOLDER ...`.

Starts `train_reward.py`, as one would from the command line, on so many groups of four answers,
and says how long it took from the command to the saved model, and the most memory it held. Where
there are fewer prompts than --groups, a prompt comes again with the answers of another: the teacher
ranks what it is given, and the texts are as long as they were. --settings are those of stage 3.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from bench.comparison import machine
from bench.few_labels import answered
from bench.follow import flags_of, ranked
from rewardmodel.learning import train_reward
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.rehearsal.teachers import find_teacher


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--prompts", type=Path, nargs="+", help="JSON Lines, as in shared/data")
    parser.add_argument("--answered", type=Path, help="where the model's answers are kept")
    parser.add_argument("--teacher", default="plain_words")
    parser.add_argument("--groups", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--settings", nargs="*", default=[], help="as a=b")
    options = parser.parse_args()
    print(f"# {machine()}", flush=True)
    rows = answered(options.model, options.prompts, options.answered, max(options.groups))
    teacher = find_teacher(f"rewardmodel.rehearsal.teachers:{options.teacher}")
    for count in options.groups:
        with tempfile.TemporaryDirectory() as folder:
            snapshot, output = Path(folder, "groups.jsonl"), Path(folder, "reward-model")
            lines = (
                ranked(teacher, {"id": row.id, "lang": "en", "prompt": row.prompt}, row.answers)
                for row in so_many(rows, count)
            )
            snapshot.write_text("".join(lines), encoding="utf-8")
            given = {"snapshot": snapshot, "base-model": options.model, "output": output}
            flags = flags_of(given, options.settings)
            began = time.perf_counter()
            subprocess.run([sys.executable, train_reward.__file__, *flags], check=True)
            seconds = time.perf_counter() - began
            result = json.loads(Path(f"{output}.run", "result.json").read_text())
            tell(count, seconds, result["metrics"]["heldout"])


def tell(count: int, seconds: float, heldout: dict[str, float]) -> None:
    """The memory is the most that any training so far has held."""
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(
        f"{count} groups: {seconds:.0f} s, {most:.2f} GB, held-out accuracy "
        f"{heldout['accuracy']:.3f}, log loss {heldout['log_loss']:.3f} "
        f"on {heldout['pairs']} pairs",
        flush=True,
    )


def so_many(rows: list[GroupRow], count: int) -> Iterator[GroupRow]:
    for number in range(count):
        turn, place = divmod(number, len(rows))
        asked, said = rows[place], rows[(place + turn) % len(rows)]
        yield GroupRow(f"{asked.id}-{turn}", asked.prompt, "train", said.answers, [])


if __name__ == "__main__":
    main()
