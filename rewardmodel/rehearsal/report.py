"""The rehearsals' report: JSON for machines, Markdown for people."""

import json
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
Ends = Callable[[Mapping[str, Any]], Sequence[float] | None]
"""Of the same round of several rehearsals, one by each seed."""


def as_report(
    command: str,
    base_model: str,
    settings: Mapping[str, Any],
    rehearsals: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A rehearsal is {"teacher", "rankings", "reward_settings", "policy_settings", "seed"}, its
    case, with what `rehearse` returns."""
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
    cases: dict[str, list[Mapping[str, Any]]] = {}
    for each in rehearsals:
        cases.setdefault(case_name(each), []).append(each)
    parts = [
        "# Rehearsal",
        "Scripted labelers taught the policy through the real services and the real worker.",
        f"```\n{report['command']}\n```",
        f"Base model `{report['base_model']}`; {machine['cores']} cores "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{name} {number}" for name, number in report["libraries"].items())
        + ".",
        "Settings: " + ", ".join(f"{k} {v}" for k, v in report["settings"].items()) + ".",
        "Where there are several seeds a cell is their median, with the least and the most. Of one "
        "rehearsal the interval stands beside it: 95 %, over resampled prompts, of wins; 99 %, by "
        "which the gates decide, of accuracy, log loss and gain. Rankings: all so far. Gain: what "
        "an update changed of the held-out reward, and what of it is the reward model's judgment "
        "beside the length, the length, less doubt and fewer missing ends. Wins: the share of "
        "comparisons of one answer of each policy to the same held-out prompt that the true "
        "teacher gives to the newer one, a tie counting one half; at equal length: over answers of "
        "about as many tokens.",
    ]
    for name, own in cases.items():
        parts += [f"## {name}", *_of_case(own)]
    return "\n\n".join(parts) + "\n"


def case_name(case: Mapping[str, Any]) -> str:
    """What is rehearsed, but for the seed."""
    rankings = [f"{case['rankings']} rankings a round"] if case["rankings"] else []
    settings = [
        f"{stage} settings `{json.dumps(chosen)}`"
        for stage in ("reward", "policy")
        if (chosen := case[f"{stage}_settings"])
    ]
    return ", ".join([case["teacher"], *rankings, *settings])


def _of_case(rehearsals: Sequence[Mapping[str, Any]]) -> list[str]:
    """One by each seed."""
    by_round = list(zip(*(each["rounds"] for each in rehearsals), strict=True))
    return [
        *("The reward model:", _table(REWARD_MODEL, by_round)),
        *("The policy update:", _table(POLICY, by_round)),
        *("The true teacher:", _table(TEACHER, by_round)),
        "Gates",
        *_gates(rehearsals),
        "The answers that the teacher judges were drawn by "
        + ", ".join(f"{each['drawn_by']} (seed {each['seed']})" for each in rehearsals)
        + ".",
        "Samples",
        *_samples(rehearsals[0]["rounds"][-1].get("samples", [])),
    ]


def _found(row: Mapping[str, Any], *path: str) -> Any:
    """What lies deep in a round's report; None where nothing does."""
    found: Any = row
    for name in path:
        found = (found or {}).get(name)
    return found


def _cell(
    *path: str, written: Callable[[float], str] = "{:.3f}".format, ends: Ends | None = None
) -> Cell:
    """`ends` finds the interval of the one value where there is one only."""

    def cell(rounds: Rounds) -> str:
        known = [row for row in rounds if _found(row, *path) is not None]
        values = [float(_found(row, *path)) for row in known]
        interval = ends(known[0]) if ends and len(known) == 1 else None
        if interval is None:
            return median_and_range(values, written)
        low, high = map(written, interval)
        return f"{written(values[0])} ({low} to {high})"

    return cell


def _decided(stage: str, name: str) -> Ends:
    """The interval by which the stage's gate decides."""
    return lambda row: _found(row, stage, "intervals", name)


def _wins(name: str) -> Cell:
    wins = ("true_teacher", name)
    return _cell(*wins, "mean", ends=lambda row: [_found(row, *wins, e) for e in ("low", "high")])


def _pair(name: str, written: Callable[[float], str]) -> Cell:
    def cell(rounds: Rounds) -> str:
        base, newest = (
            _cell("true_teacher", name, which, written=written)(rounds)
            for which in ("base", "newest")
        )
        return f"{base} → {newest}"

    return cell


ROUND: dict[str, Cell] = {
    "round": lambda rounds: str(rounds[0]["round"]),
    "rankings": _cell("rankings_so_far", written="{:.0f}".format),
}
REWARD_MODEL: dict[str, Cell] = {
    **ROUND,
    "held-out accuracy": _cell(
        *("reward_model", "heldout", "accuracy"), ends=_decided("reward_model", "accuracy")
    ),
    "log loss": _cell(
        *("reward_model", "heldout", "log_loss"), ends=_decided("reward_model", "log_loss")
    ),
    "calibration error": _cell("reward_model", "heldout", "calibration_error"),
    "log loss without length": _cell("reward_model", "heldout_without_length", "log_loss"),
}
POLICY: dict[str, Cell] = {
    **ROUND,
    "gain": _cell("policy", "gain", "reward", ends=_decided("policy", "reward")),
    "judged": _cell("policy", "gain", "judged"),
    "length": _cell("policy", "gain", "length"),
    "doubt": _cell("policy", "gain", "doubt"),
    "ends": _cell("policy", "gain", "ends"),
    "KL (nats an answer)": _cell("policy", "new", "kl"),
    "minutes of the round": _cell("seconds", written=lambda seconds: f"{seconds / 60:.1f}"),
}
TEACHER: dict[str, Cell] = {
    **ROUND,
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
