"""Metrics as people read them; what each means stands in docs/learning.md."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from annotation.templatetags.numbers import UNKNOWN, figure
from rewardmodel.templatetags.reasons import worded

register = template.Library()

NAMES = {
    "accuracy": _("accuracy"),
    "answers": _("answers"),
    "calibration_error": _("calibration error"),
    "chosen": _("what the head reads"),
    "demonstrations": _("demonstrations"),
    "distinct": _("different pairs of tokens"),
    "ended": _("answers that end by themselves"),
    "entropy": _("entropy a token, estimated"),
    "fresh": _("fresh model"),
    "gain": _("gain"),
    "gain_deviation": _("reward model's doubt about the gain"),
    "gradient_norm": _("gradient norm"),
    "groups": _("groups"),
    "heldout": _("held-out"),
    "heldout_without_length": _("held-out, without the length"),
    "human_ceiling": _("labelers among themselves"),
    "kl": _("KL"),
    "kl_per_token": _("KL a token"),
    "judged": _("by what the teacher model says"),
    "length": _("by the length"),
    "doubt": _("by doubt"),
    "ends": _("by missing ends"),
    "doubt_and_ends": _("by doubt and missing ends"),  # of runs from before they stood apart
    "of_length": _("of the score, the length's"),
    "for_doubt": _("taken for doubt"),
    "kept_step": _("step whose weights were kept"),
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
    "pretrained": _("pretrained model"),
    "recipe": _("features"),
    "reward": _("mean reward"),
    "reward_mean": _("mean of rewards"),
    "reward_std": _("spread of rewards"),
    "score": _("mean score"),
    "served": _("what served before"),
    "shortened": _("shortened"),
    "shortened_by": _("shortened"),
    "skipped": _("skipped"),
    "second_judge": _("second judge"),
    "steps": _("steps"),
    "stopped": _("stopped early"),
    "teacher": _("teacher"),
    "teacher_agreement": _("agreement with the teacher"),
    "temperature": _("temperature"),
    "tie_confidence": _("confidence in ties"),
    "ties": _("ties"),
    "tokens": _("tokens an answer"),
    "tokens_per_second": _("tokens a second"),
    "train": _("training"),
    "train_conversations": _("conversations learned from"),
    "train_groups": _("groups learned from"),
    "unigram_entropy": _("unigram entropy"),
    "algorithm": _("algorithm"),
    "bits_per_byte": _("bits a byte"),
    "fresh_loss": _("loss of the fresh model"),
    "heldout_conversations": _("held-out conversations"),
    "heldout_documents": _("held-out documents"),
    "heldout_loss": _("held-out loss"),
    "heldout_entropy": _("held-out entropy of the next token"),
    "next_token_entropy": _("entropy of the next token"),
    "method": _("method"),
    "perplexity": _("perplexity"),
    "pretrained_loss": _("loss of the pretrained model"),
    "prompts": _("prompts"),
    "second_reward_model": _("second reward model"),
    "stage": _("stage"),
    "train_documents": _("documents learned from"),
    "train_tokens": _("tokens learned from"),
    "trained_weights": _("trained weights"),
    "fresh_heldout_loss": _("held-out loss of the fresh model"),
    "pretrained_heldout_loss": _("held-out loss of the pretrained model"),
    "verdict": _("verdict"),
    "weights": _("weights"),
}
REASONS = {
    "a prompt that lost its start": _("a prompt that lost its start"),
    "an answer that lost its middle": _("an answer that lost its middle"),
    "empty answer": _("an empty answer is called better"),
    "only labelers of weight 0": _("only labelers of weight 0"),
    "only one answer": _("only one answer"),
    "only ties": _("only ties"),
    "not ranked": _("not ranked"),
}
"""Why rows were left out or shortened, see `unusable` and `cut_of`."""
READ = {
    "mean and end of layer": _("mean and end of layer"),
    "mean of layer": _("mean of layer"),
    "end of layer": _("end of layer"),
    "attention of layer": _("attention of layer"),
    "length": _("length"),
}
"""The words of a recipe's name, see `Recipe.name`."""
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
    return str(NAMES.get(name) or REASONS.get(name) or name.replace("_", " "))


def labelled(name: str, said: str) -> str:
    """Both with the colon of the page's language."""
    return str(_("%(name)s: %(said)s") % {"name": name, "said": said})


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
                yield labelled(metric_name(name), inner), part
        elif name == "recipe":
            yield metric_name(name), _recipe(value)
        elif value is not None and value != "" and not isinstance(value, list):
            yield metric_name(name), figure(value)


def _recipe(name: str) -> str:
    for words, worded_here in READ.items():
        name = name.replace(words, str(worded_here))
    return name


COLUMNS = ("heldout", "served", "heldout_without_length", "second_judge", "train", "parent", "new")


@dataclass(frozen=True)
class Table:
    """`parts` that say the same of different things, a column each: `rows` are (name, figures)."""

    parts: list[str]
    rows: list[tuple[str, list[Any]]]


@register.inclusion_tag("rewardmodel/_figures.html")
def figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that share most of their names, such as those of training and held-out prompts, stand
    in columns; all else is listed."""
    alike: list[dict[str, dict[str, str]]] = []
    for name, value in sorted(metrics.items(), key=lambda item: _place(item[0])):
        if not isinstance(value, Mapping) or "code" in value:
            continue
        part = dict(rows_of(value))
        fitting = (each for each in alike if _are_alike(part, next(iter(each.values()))))
        if (table := next(fitting, None)) is None:
            alike.append(table := {})
        table[name] = part
    tabled = [table for table in alike if len(table) > 1]
    shown = {name for table in tabled for name in table}
    return {
        "tables": [
            Table([metric_name(name) for name in table], side_by_side(list(table.values())))
            for table in tabled
        ],
        "others": list(rows_of({n: value for n, value in metrics.items() if n not in shown})),
    }


def _place(part: str) -> int:
    """PostgreSQL keeps no order of a result's parts."""
    return COLUMNS.index(part) if part in COLUMNS else len(COLUMNS)


def _are_alike(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return 2 * len(one.keys() & other.keys()) > len(one.keys() | other.keys())


def side_by_side(columns: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    """A row for each name that any column has, in the order of the first that has it."""
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [(name, [column.get(name, UNKNOWN) for column in columns]) for name in names]
