"""Metrics as people read them; what each means stands in rewardmodel/learning/evaluate.py."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

register = template.Library()

NAMES = {
    "accuracy": _("accuracy"),
    "calibration_error": _("calibration error"),
    "demonstrations": _("demonstrations"),
    "ended": _("answers that end by themselves"),
    "gradient_norm": _("gradient norm"),
    "groups": _("groups"),
    "heldout": _("held-out"),
    "human_ceiling": _("labelers among themselves"),
    "kl": _("KL"),
    "labelers": _("labelers"),
    "learning_rate": _("learning rate"),
    "length_correlation": _("correlation with length"),
    "log_loss": _("log loss"),
    "loss": _("loss"),
    "model": _("model"),
    "new": _("new policy"),
    "pairs": _("pairs"),
    "parent": _("parent"),
    "reward": _("mean reward"),
    "reward_mean": _("mean of rewards"),
    "reward_std": _("spread of rewards"),
    "score": _("mean score"),
    "shortened": _("shortened"),
    "skipped": _("skipped"),
    "steps": _("steps"),
    "stopped": _("stopped early"),
    "tie_confidence": _("confidence in ties"),
    "ties": _("ties"),
    "tokens": _("tokens an answer"),
    "train": _("training"),
}
PHASES = {
    "loading": _("loading the model"),
    "sampling": _("writing answers"),
    "training": _("training"),
    "evaluating": _("evaluating"),
    "saving": _("saving"),
}


@register.filter
def metric_name(name: str) -> str:
    return str(NAMES.get(name, name.replace("_", " ")))


@register.filter
def phase_name(phase: str) -> str:
    return str(PHASES.get(phase, phase))


@register.filter
def figure(value: Any) -> str:
    """Three significant digits for a float that needs them; a dash for what is not known."""
    if value is None or value == "":
        return "–"
    if not isinstance(value, float):
        return str(value)
    if value != 0 and not 0.001 <= abs(value) < 100_000:
        return f"{value:.2e}"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return str(number_format(value, decimals))


@register.filter
def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


@register.filter
def rows_of(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, figure) of each metric; those of a part carry its name first. Lists are for charts."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            for inner, part in rows_of(value):
                yield f"{metric_name(name)}: {inner}", part
        elif value is not None and value != "" and not isinstance(value, list):
            yield metric_name(name), figure(value)
