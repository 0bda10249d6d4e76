"""The settings of a training that have fields of their own, by stage.

Type, bounds and default of each are the configuration's, and what is given goes through the same
check as the JSON that holds the rest, into which it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from annotation.models import Project
from rewardmodel.models import TrainingRun
from rewardmodel.services import as_run_takes_it
from rewardmodel.services.training_settings import CONFIGS, STARTS_FROM

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    Text = _StrPromise | str

Kind = TrainingRun.Kind


@dataclass(frozen=True)
class Named:
    """A setting of `kind`, by its name in the configuration."""

    kind: TrainingRun.Kind
    name: str
    label: Text
    help_text: Text = ""
    unit: Text = ""
    default: Text = ""  # where the configuration's is None
    choices: Mapping[str, Text] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Of the form's field."""
        return f"{self.kind}_{self.name}"


ALGORITHMS = {
    "rloo": _("RLOO: sampled answers against each other"),
    "ppo": _("PPO: with a value function"),
    "dpo": _("DPO: straight from the rankings"),
    "best_of_n": _("best of n: a report, nothing is trained"),
}
METHODS = {
    "probe": _("a head on the base model, which stays as it is: a minute"),
    "finetune": _("the base model with an adapter: slower, for many rankings"),
}
LOSSES = {"pairwise": _("pairs of answers"), "listwise": _("whole rankings")}
RATE = _("Learning rate (peak)")
EPOCHS = _("Passes over the data")
OF_MEMORY = _("Lower it where memory runs out; the result stays the same.")

NAMED = [
    Named(Kind.TEXT, "learning_rate", RATE, default=_("0.0002 of an adapter, 0.00002 of all")),
    Named(Kind.TEXT, "epochs", EPOCHS),
    Named(Kind.TEXT, "block_tokens", _("Length of a block"), unit=_("tokens")),
    Named(Kind.TEXT, "tokens_per_batch", _("Batch"), OF_MEMORY, _("tokens")),
    Named(
        Kind.DEMONSTRATIONS,
        "learning_rate",
        RATE,
        default=_("0.0002 of an adapter, 0.00002 of all"),
    ),
    Named(Kind.DEMONSTRATIONS, "epochs", EPOCHS),
    Named(
        Kind.DEMONSTRATIONS,
        "examples_per_step",
        _("Conversations in a step"),
    ),
    Named(Kind.DEMONSTRATIONS, "tokens_per_batch", _("Batch"), OF_MEMORY, _("tokens")),
    Named(Kind.REWARD, "method", _("What is trained"), choices=METHODS),
    Named(
        Kind.REWARD,
        "learning_rate",
        RATE,
        _("With an adapter only."),
    ),
    Named(Kind.REWARD, "epochs", EPOCHS, _("With an adapter only. More than one overfits.")),
    Named(
        Kind.REWARD,
        "group_tokens",
        _("Longest prompt with an answer"),
        _("A longer prompt loses its start."),
        _("tokens"),
    ),
    Named(
        Kind.REWARD,
        "second_judge",
        _("Give the policy's gate a second judge"),
        _(
            "The reward model then learns from half of the prompts only, and the second judge from "
            "the other half. A policy whose answers that one likes less does not serve."
        ),
    ),
    Named(Kind.REWARD, "tokens_per_batch", _("Batch"), OF_MEMORY, _("tokens")),
    Named(Kind.POLICY, "algorithm", _("Algorithm"), choices=ALGORITHMS),
    Named(
        Kind.POLICY,
        "steps",
        _("Number of steps"),
        _("Rounds of sampling, scoring and one update. Not with DPO."),
    ),
    Named(Kind.POLICY, "prompts_per_step", _("Prompts answered in a step"), _("Not with DPO.")),
    Named(
        Kind.POLICY,
        "learning_rate",
        RATE,
        _("Not with DPO."),
        default=_("0.0006 from the base model on, then 0.0002"),
    ),
    Named(
        Kind.POLICY,
        "beta",
        _("Price of moving away"),
        _("Taken from the reward for each nat of divergence from the base model. Not with DPO."),
        _("reward a nat"),
    ),
    Named(
        Kind.POLICY,
        "check_every",
        _("Check for reward hacking"),
        _("Every so many steps; 0: never. Not with DPO."),
        _("steps"),
    ),
    Named(Kind.POLICY, "heldout_prompts", _("Most held-out prompts to judge it by")),
    Named(Kind.POLICY, "dpo_learning_rate", _("DPO: learning rate (peak)")),
    Named(
        Kind.POLICY,
        "dpo_beta",
        _("DPO: beta"),
        _("Smaller: it moves further from where it starts."),
        _("reward a nat"),
    ),
    Named(Kind.POLICY, "preference_loss", _("DPO: learns from"), choices=LOSSES),
    Named(Kind.POLICY, "epochs", _("DPO: passes over the rankings")),
    Named(Kind.POLICY, "tokens_per_batch", _("Batch"), OF_MEMORY, _("tokens")),
]
HINTS = {kind: get_type_hints(config) for kind, config in CONFIGS.items()}
STARTING = [Kind.TEXT, Kind.DEMONSTRATIONS, Kind.POLICY]
"""A reward model is trained on what the serving policy is made of."""


def named_of(kind: str) -> Iterator[Named]:
    return (named for named in NAMED if named.kind == kind)


def starting_key(kind: str) -> str:
    return f"{kind}_{STARTS_FROM}"


def keys_of(kind: str) -> list[str]:
    """The names of the form's fields of a stage, its JSON last."""
    starting = [starting_key(kind)] if kind in STARTING else []
    return [*starting, *(named.key for named in named_of(kind)), f"{kind}_settings"]


def form_field(named: Named) -> forms.Field:
    """Empty means the default, which it shows."""
    config = CONFIGS[named.kind]
    default = {each.name: each.default for each in fields(config)}[named.name]
    label = format_lazy("{} ({})", named.label, named.unit) if named.unit else named.label
    if named.choices:
        shown = named.choices[str(default)]
        empty = ("", format_lazy(_("by default: {}"), shown))
        return forms.ChoiceField(
            label=label,
            help_text=named.help_text,
            choices=[empty, *named.choices.items()],
            required=False,
        )
    if default is False:
        return forms.BooleanField(label=label, help_text=named.help_text, required=False)
    least, most = config.RANGES[named.name]
    shown = named.default if default in (None, MISSING) else str(default)
    bounds = format_lazy(_("Default: {}. From {} to {}."), shown, least, most)
    help_text = helped(named.help_text, bounds)
    hint = HINTS[named.kind][named.name]
    plain = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    number: Any = forms.IntegerField if plain is int else forms.FloatField
    made: forms.Field = number(min_value=least, max_value=most, required=False)
    made.label, made.help_text = label, help_text
    if default not in (None, MISSING):
        made.widget.attrs["placeholder"] = str(default)
    return made


def helped(help_text: str | _StrPromise, said: str | _StrPromise) -> str | _StrPromise:
    """The help of a field, if there is one, and a sentence more."""
    if not help_text:
        return said
    return format_lazy(pgettext_lazy("two sentences", "{} {}"), help_text, said)


def starting_field(project: Project) -> forms.ChoiceField:
    """Which version of the policy the runs of a stage start from."""
    versions = project.policyversions.order_by("number") if project.pk else []
    named = [(version.number, version.called) for version in versions]
    return forms.TypedChoiceField(
        label=_("Starts from"),
        choices=[("", _("by default: the version that serves")), *named],
        coerce=int,
        empty_value=None,
        required=False,
        help_text=_(
            "What starts from another version than the one that serves does not serve by itself."
        ),
    )


def split(project: Project, kind: str, stored: Any) -> tuple[dict[str, Any], Any]:
    """Stored settings, any JSON, as values for the fields above and what remains as JSON.

    A value that its field could not show as it is remains.
    """
    if not isinstance(stored, dict):
        return {}, stored
    shown = {named.name: named.key for named in named_of(kind)}
    if kind in STARTING:
        shown[STARTS_FROM] = starting_key(kind)
    fitting = {
        name: key
        for name, key in shown.items()
        if name in stored and _fits(project, kind, name, stored[name])
    }
    values = {key: stored[name] for name, key in fitting.items()}
    return values, {name: value for name, value in stored.items() if name not in fitting}


def _fits(project: Project, kind: str, name: str, value: Any) -> bool:
    choices = next((named.choices for named in named_of(kind) if named.name == name), {})
    if value is None or (choices and not (isinstance(value, str) and value in choices)):
        return False
    try:
        as_run_takes_it(project, kind, {name: value})
    except ValueError:
        return False
    return True


def _is_said(value: Any) -> bool:
    return value is not None and value is not False and value != ""


def joined(project: Project, kind: str, given: Mapping[str, Any], rest: Any) -> Any:
    """The settings to store, from the cleaned fields and the JSON.

    Raises forms.ValidationError where they do not fit the stage, or say one thing twice.
    """
    names = {named.key: named.name for named in named_of(kind)}
    names[starting_key(kind)] = STARTS_FROM
    chosen = {name: given[key] for key, name in names.items() if _is_said(given.get(key))}
    try:
        if isinstance(rest, dict):
            twice = [name for name, value in chosen.items() if rest.get(name, value) != value]
            if twice:
                said = {"names": ", ".join(twice)}
                raise ValueError(_("%(names)s has a field above: remove it here.") % said)
            rest = {**rest, **chosen}
        as_run_takes_it(project, kind, rest)
    except ValueError as problem:
        raise forms.ValidationError(str(problem)) from problem
    return rest
