"""The rehearsals' report: JSON for machines, Markdown for people."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from rewardmodel.rehearsal.statistics import median_and_range

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "Django", "celery")
SAMPLES_SHOWN = 6

Rounds = Sequence[Mapping[str, Any]]
Cell = Callable[[Rounds], str]
"""Of the same round of several rehearsals, one by each seed."""


def as_report(
    command: str,
    base_model: str,
    settings: Mapping[str, Any],
    rehearsals: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A rehearsal is {"teacher", "seed", "rounds"}."""
    return {
        "command": command,
        "base_model": base_model,
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
        },
        "libraries": {name: version(name) for name in LIBRARIES},
        "settings": dict(settings),
        "rehearsals": list(rehearsals),
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    machine, rehearsals = report["machine"], report["rehearsals"]
    teachers = list(dict.fromkeys(each["teacher"] for each in rehearsals))
    parts = [
        "# Rehearsal",
        "Scripted labelers taught the policy through the real services and the real worker.",
        f"```\n{report['command']}\n```",
        f"Base model `{report['base_model']}`; {machine['cores']} cores "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{name} {number}" for name, number in report["libraries"].items())
        + ".",
        "Settings: " + ", ".join(f"{k} {v}" for k, v in report["settings"].items()) + ".",
        "Where there are several seeds a cell is their median, with the least and the most. Wins: "
        "the share of comparisons of one answer of each policy to the same held-out prompt that "
        "the true teacher gives to the newer one, a tie counting one half, with the 95 % interval "
        "of one rehearsal over resampled prompts; at equal length: over answers of about as many "
        "tokens.",
    ]
    for teacher in teachers:
        own = [each for each in rehearsals if each["teacher"] == teacher]
        parts += [f"## {teacher}", *_of_teacher(own)]
    return "\n\n".join(parts) + "\n"


def _of_teacher(rehearsals: Sequence[Mapping[str, Any]]) -> list[str]:
    by_round = list(zip(*(each["rounds"] for each in rehearsals), strict=True))
    return [
        _table(LEARNING, by_round),
        _table(TEACHER, by_round),
        "Gates",
        *_gates(rehearsals),
        "Samples",
        *_samples(rehearsals[0]["rounds"][-1].get("samples", [])),
    ]


def _value(row: Mapping[str, Any], *path: str) -> float | None:
    """A number deep in a round's report; None where there is none."""
    found: Any = row
    for name in path:
        found = (found or {}).get(name)
    return None if found is None else float(found)


def _cell(*path: str, written: Callable[[float], str] = "{:.3f}".format) -> Cell:
    def cell(rounds: Rounds) -> str:
        values = [value for row in rounds if (value := _value(row, *path)) is not None]
        return median_and_range(values, written)

    return cell


def _wins(name: str) -> Cell:
    def cell(rounds: Rounds) -> str:
        found = [interval for row in rounds if (interval := row["true_teacher"][name])]
        if len(found) != 1:
            return _cell("true_teacher", name, "mean")(rounds)
        [one] = found
        return f"{one['mean']:.3f} ({one['low']:.3f} to {one['high']:.3f})"

    return cell


def _pair(name: str, written: Callable[[float], str]) -> Cell:
    def cell(rounds: Rounds) -> str:
        base, newest = (
            _cell("true_teacher", name, which, written=written)(rounds)
            for which in ("base", "newest")
        )
        return f"{base} → {newest}"

    return cell


_ROUND: Cell = lambda rounds: str(rounds[0]["round"])  # noqa: E731
LEARNING: dict[str, Cell] = {
    "round": _ROUND,
    "minutes": _cell("seconds", written=lambda seconds: f"{seconds / 60:.1f}"),
    "rankings": _cell("rankings", written="{:.0f}".format),
    "held-out accuracy": _cell("reward_model", "heldout", "accuracy"),
    "log loss": _cell("reward_model", "heldout", "log_loss"),
    "calibration error": _cell("reward_model", "heldout", "calibration_error"),
    "log loss without length": _cell("reward_model", "heldout_without_length", "log_loss"),
    "KL (nats an answer)": _cell("policy", "new", "kl"),
}
TEACHER: dict[str, Cell] = {
    "round": _ROUND,
    "mean score, base → newest": _pair("scores", "{:.3f}".format),
    "wins over the base": _wins("wins"),
    "at equal length": _wins("wins_at_equal_length"),
    "wins over the round before": _wins("wins_over_the_round_before"),
    "ended by itself, base → newest": _pair("ended", "{:.0%}".format),
    "tokens, base → newest": _pair("mean_tokens", "{:.0f}".format),
}


def _table(columns: Mapping[str, Cell], by_round: Sequence[Rounds]) -> str:
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[cell(rounds) for cell in columns.values()] for rounds in by_round]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gates(rehearsals: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"Seed {each['seed']}, round {row['round']}. Reward model: {row['reward_model']['gate']} "
        f"Policy: {row['policy']['gate'] if row['policy'] else 'no update'}"
        for each in rehearsals
        for row in each["rounds"]
    ]


def _samples(samples: Sequence[Mapping[str, str]]) -> list[str]:
    """The first held-out prompts, one answer each, drawn with the same seed."""
    lines = []
    for sample in samples[:SAMPLES_SHOWN]:
        lines.append(f"**{sample['prompt']}**")
        lines += [f"{which}:\n\n{_quoted(sample[which])}" for which in ("base", "newest")]
    return lines


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in (text.strip() or "(nothing)").splitlines())
