"""Metrics as people read them; what each means stands in docs/learning.md."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from annotation.templatetags.numbers import figure
from rewardmodel.templatetags.reasons import worded

register = template.Library()

NAMES = {
    "accuracy": _("accuracy"),
    "calibration_error": _("calibration error"),
    "chosen": _("what the head reads"),
    "demonstrations": _("demonstrations"),
    "ended": _("answers that end by themselves"),
    "gain": _("gain"),
    "gradient_norm": _("gradient norm"),
    "groups": _("groups"),
    "heldout": _("held-out"),
    "heldout_without_length": _("held-out, without the length"),
    "human_ceiling": _("labelers among themselves"),
    "kl": _("KL"),
    "kl_per_token": _("KL a token"),
    "judged": _("by what the teacher model says"),
    "length": _("by the length"),
    "doubt_and_ends": _("by doubt and missing ends"),
    "of_length": _("of the score, the length's"),
    "labelers": _("labelers"),
    "learning_rate": _("learning rate"),
    "length_correlation": _("correlation with length"),
    "log_loss": _("log loss"),
    "loss": _("loss"),
    "memory": _("memory in GB"),
    "model": _("model"),
    "new": _("new policy"),
    "pairs": _("pairs"),
    "parent": _("parent"),
    "preferences": _("held-out rankings"),
    "recipe": _("features"),
    "reward": _("mean reward"),
    "reward_mean": _("mean of rewards"),
    "reward_std": _("spread of rewards"),
    "score": _("mean score"),
    "shortened": _("shortened"),
    "skipped": _("skipped"),
    "steps": _("steps"),
    "stopped": _("stopped early"),
    "temperature": _("temperature"),
    "tie_confidence": _("confidence in ties"),
    "ties": _("ties"),
    "tokens": _("tokens an answer"),
    "tokens_per_second": _("tokens a second"),
    "train": _("training"),
}
PHASES = {
    "loading": _("loading the model"),
    "reading": _("reading answers"),
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
def rows_of(metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, figure) of each metric; those of a part carry its name first. Lists are for charts."""
    for name, value in metrics.items():
        if isinstance(value, Mapping) and "code" in value:  # why training stopped early
            yield metric_name(name), worded(value)
        elif isinstance(value, Mapping):
            for inner, part in rows_of(value):
                yield f"{metric_name(name)}: {inner}", part
        elif value is not None and value != "" and not isinstance(value, list):
            yield metric_name(name), figure(value)
