"""The rehearsal's report: JSON for machines, Markdown for people."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

LIBRARIES = ("torch", "transformers", "peft", "accelerate", "Django", "celery")
SAMPLES_SHOWN = 6


def as_report(
    command: str, base_model: str, settings: Mapping[str, Any], rounds: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
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
        "rounds": list(rounds),
    }


def as_markdown(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    parts = [
        "# Rehearsal",
        "Scripted labelers taught the policy through the real services and the real worker.",
        f"```\n{report['command']}\n```",
        f"Base model `{report['base_model']}`; {machine['cores']} cores "
        f"({machine['processor']}), {machine['system']}, Python {machine['python']}; "
        + ", ".join(f"{name} {number}" for name, number in report["libraries"].items())
        + ".",
        "Settings: " + ", ".join(f"{k} {v}" for k, v in report["settings"].items()) + ".",
        "## Learning",
        _table(LEARNING, report["rounds"]),
        "## What the true teacher thinks, on held-out prompts",
        "Mean score with its 95 % bootstrap interval (whole prompts resampled); the difference is "
        "newest minus base, answer by answer with the same seeds.",
        _table(TEACHER, report["rounds"]),
        *_gates(report["rounds"]),
        "## Samples",
        *_samples(report["rounds"][-1]["samples"]),
    ]
    return "\n\n".join(parts) + "\n"


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _interval(value: Mapping[str, float]) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def _metric(part: str, which: str, name: str) -> Any:
    """A number of the round's reward model or policy run; a dash where there was none."""
    return lambda row: _number(((row[part] or {}).get(which) or {}).get(name, "–"))


LEARNING = {
    "round": lambda row: str(row["round"]),
    "minutes": lambda row: f"{row['seconds'] / 60:.1f}",
    "rankings used": lambda row: str(row["rankings"]),
    "held-out accuracy": _metric("reward_model", "heldout", "accuracy"),
    "held-out log loss": _metric("reward_model", "heldout", "log_loss"),
    "KL (nats an answer)": _metric("policy", "new", "kl"),
    "ended by itself": _metric("policy", "new", "ended"),
}
TEACHER = {
    "round": lambda row: str(row["round"]),
    "base": lambda row: _interval(row["true_teacher"]["base"]),
    "newest": lambda row: _interval(row["true_teacher"]["newest"]),
    "difference": lambda row: _interval(row["true_teacher"]["difference"]),
    "win rate": lambda row: _number(row["true_teacher"]["win_rate"]),
    "ended by itself, base → newest": lambda row: " → ".join(
        f"{row['true_teacher']['ended'][which]:.0%}" for which in ("base", "newest")
    ),
    "mean tokens, base → newest": lambda row: " → ".join(
        f"{row['true_teacher']['mean_tokens'][which]:.0f}" for which in ("base", "newest")
    ),
}


def _table(columns: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[cell(row) for cell in columns.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gates(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["## Gates"]
    for row in rounds:
        policy = row["policy"]["gate"] if row["policy"] else "no update"
        lines.append(
            f"Round {row['round']}. Reward model: {row['reward_model']['gate']} Policy: {policy}"
        )
    return lines


def _samples(samples: Sequence[Mapping[str, str]]) -> list[str]:
    """The first held-out prompts, one answer each, drawn with the same seed."""
    lines = []
    for sample in samples[:SAMPLES_SHOWN]:
        lines.append(f"**{sample['prompt']}**")
        lines += [f"{which}:\n\n{_quoted(sample[which])}" for which in ("base", "newest")]
    return lines


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in (text.strip() or "(nothing)").splitlines())
