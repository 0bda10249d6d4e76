"""New tokens a second: this project's sampler against transformers' `generate`.

    python bench/generate.py --model FOLDER [--repeats 3] [--full] [--json]

Same weights, prompts, temperature and machine; `generate` gets all prompts in one batch, with
num_return_sequences. Tokens after an answer's end do not count. --full takes 16 prompts instead
of 4.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.comparison import ROOT, Row, compared, interleaved, machine, memory_row, of, show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a chat model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--lengths", type=int, nargs="+", default=[110, 700], help="tokens")
    parser.add_argument("--answers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--full", action="store_true", help="16 prompts")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    count = 16 if options.full else options.prompts
    print(f"# {machine()}; {count} prompts, {options.new_tokens} new tokens, all answers whole")
    rows: list[Row] = []
    for length in options.lengths:
        for answers in options.answers:
            task: dict[str, Any] = {
                "model": str(options.model.resolve()),
                "prompts": count,
                "length": length,
                "answers": answers,
                "new_tokens": options.new_tokens,
            }
            runs = interleaved(
                ROOT / "bench" / "generate_arms.py",
                ("laoshi", "generate"),
                options.repeats,
                lambda _, repeat, task=task: {**task, "seed": repeat},  # type: ignore[misc]
            )
            name = f"prompt {length}, K {answers}"
            rates = (of(runs, arm, "rate") for arm in ("laoshi", "generate"))
            rows += [
                compared(f"{name}: speed", "new tok/s", *rates, more_is_better=True),
                memory_row(name, runs, "laoshi", "generate"),
            ]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
