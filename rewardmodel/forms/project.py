"""A project's settings, checked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.db import models
from django.forms.utils import flatatt
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.jsonl import holds_half_characters
from annotation.forms import LabelingForm, UntrustedJSONField
from annotation.lm.model_facts import ModelFacts, UnusableModel, facts_of
from annotation.models import Project, User
from annotation.selectors.projects import may_begin_with
from rewardmodel.forms.training import (
    NAMED,
    STARTING,
    form_field,
    helped,
    joined,
    keys_of,
    split,
    starting_field,
    starting_key,
)
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import may_change_base_model

Kind = TrainingRun.Kind
RESERVED_SLUGS = {"new"}


@dataclass(frozen=True)
class Section:
    """A part of the page; `anchor` is its address within it."""

    anchor: str
    title: Promise
    help_text: Promise | str
    names: list[str]


SECTIONS = [
    Section(
        "project", _("Project"), "", ["name", "slug", "policy_model", "guidelines", "is_active"]
    ),
    Section(
        "labeling",
        _("What labelers are asked"),
        _("Less is quicker: switch on only what you will use."),
        LabelingForm.Meta.fields,
    ),
    Section(
        "queue",
        _("Answers and queue"),
        _("With two answers a prompt, labelers see them side by side."),
        [
            *("answers_per_group", "answers_drawn", "pick"),
            *("overlap", "queue_target", "lease_minutes"),
            *("max_new_tokens", "temperature", "top_p", "system_prompt"),
        ],
    ),
    Section(
        "training",
        _("When training starts"),
        _("One run at a time. The overview says what comes next."),
        [
            *("training_is_automatic", "training_threshold", "training_daily_at"),
            *("training_zone", "updates_follow", "promotion"),
            *("demonstrations_threshold", "heldout_percent"),
        ],
    ),
    Section(
        "reward",
        _("Reward model"),
        _("Stage 3: a model that judges as people do. Empty fields have their defaults."),
        keys_of(Kind.REWARD),
    ),
    Section(
        "policy",
        _("Policy update"),
        _("Stage 4: the policy learns what the reward model prefers."),
        ["kl_budget", *keys_of(Kind.POLICY)],
    ),
    Section(
        "demonstrations",
        _("Demonstrations"),
        _("Stage 2: the policy learns to answer as people showed."),
        keys_of(Kind.DEMONSTRATIONS),
    ),
    Section(
        "text",
        _("Raw text"),
        _("Stage 1: the policy goes on learning to continue text."),
        keys_of(Kind.TEXT),
    ),
]
JSON_SETTINGS = [f"{kind}_settings" for kind in TrainingRun.STAGES]
WIDE = {
    *("name", "policy_model", "guidelines", "is_active", "training_is_automatic"),
    *("updates_follow", "system_prompt"),
    *LabelingForm.Meta.fields,
    *JSON_SETTINGS,
}
OF_THE_MODEL = {field.name for field in Project._meta.get_fields()}


class SettingsField(UntrustedJSONField):
    """What a database holds is shown whatever it is: this is the page on which it is mended."""

    def prepare_value(self, value: Any) -> Any:
        shown = super().prepare_value(value)
        return json.dumps(value) if holds_half_characters(shown) else shown


def _say_default(name: str, field: forms.Field) -> None:
    """In its help: what a new project has, where that is no text and no list."""
    of_model = cast("models.Field[Any, Any]", Project._meta.get_field(name))
    default = of_model.default
    if default is models.NOT_PROVIDED or callable(default):
        return
    shown: Any = dict(of_model.flatchoices).get(default, default)
    if isinstance(default, bool):
        shown = _("yes") if default else _("no")
    elif isinstance(default, time):
        shown = f"{default:%H:%M}"
    said = format_lazy(_("Default: {}."), shown)
    field.help_text = helped(field.help_text, said)


class LongSelect(forms.Select):
    """Of hundreds of options, which take no template each."""

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = self.format_value(value)
        options = [
            (key, {"selected": True} if key in chosen else {}, shown) for key, shown in self.choices
        ]
        return format_html(
            "<select{}>{}</select>",
            flatatt({**self.build_attrs(self.attrs, attrs), "name": name}),
            format_html_join(
                "\n",
                '<option value="{}"{}>{}</option>',
                ((key, flatatt(given), shown) for key, given, shown in options),
            ),
        )


class ProjectForm(LabelingForm):
    """`facts` are those of a base model that was entered, once the form is clean."""

    training_zone = forms.ChoiceField(label=_("Time zone of that hour"), widget=LongSelect())

    class Meta(LabelingForm.Meta):
        fields = [
            name
            for section in SECTIONS
            for name in section.names
            if name in OF_THE_MODEL and name != "slug"
        ]
        widgets = {
            **LabelingForm.Meta.widgets,
            "guidelines": forms.Textarea(attrs={"rows": 10, "dir": "auto"}),
            "system_prompt": forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
            "training_daily_at": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            **{name: forms.Textarea(attrs={"rows": 2, "class": "code"}) for name in JSON_SETTINGS},
        }
        field_classes = dict.fromkeys(JSON_SETTINGS, SettingsField)

    def __init__(self, user: User, data: Any = None, instance: Project | None = None) -> None:
        super().__init__(data, instance=instance)
        self.user = user
        self.facts: ModelFacts | None = None
        self.initial.setdefault("training_zone", self.instance.training_zone)
        zones = sorted({*available_timezones(), self.instance.training_zone})
        self.fields["training_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        for named in NAMED:
            self.fields[named.key] = form_field(named)
        for name in self.fields.keys() & OF_THE_MODEL:
            _say_default(name, self.fields[name])
        if self.instance.pk:
            for kind in STARTING:
                self.fields[starting_key(kind)] = starting_field(self.instance)
            if not may_change_base_model(self.instance):
                del self.fields["policy_model"]
        for kind in TrainingRun.STAGES:
            name = f"{kind}_settings"
            values, self.initial[name] = split(self.instance, kind, self.initial.get(name, {}))
            self.initial.update(values)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        for kind in TrainingRun.STAGES:
            name = f"{kind}_settings"
            if self.errors.keys().isdisjoint(keys_of(kind)):
                try:
                    given[name] = joined(self.instance, kind, given, given[name] or {})
                except forms.ValidationError as problem:
                    self.add_error(name, problem)
        return given

    def clean_policy_model(self) -> str:
        """A model that may be taken, and whose files say that it can be."""
        model = str(self.cleaned_data["policy_model"]).strip()
        if not model or model == self.initial.get("policy_model"):
            return model
        if not may_begin_with(self.user, model):
            raise forms.ValidationError(
                _(
                    "This installation does not offer this model. Leave the field empty, or ask "
                    "whoever runs the installation to add the model to POLICY_MODELS."
                )
            )
        try:
            self.facts = facts_of(model)
        except UnusableModel as problem:
            said = {"problem": problem.worded(gettext)}
            text = _("This model cannot be taken: %(problem)s")
            raise forms.ValidationError(text % said) from problem
        return model

    def sections(self) -> Iterator[tuple[Section, list[tuple[forms.BoundField, bool]]]]:
        """Each with its fields and whether a field takes the whole width, as the page has them."""
        for section in SECTIONS:
            names = [name for name in section.names if name in self.fields]
            yield section, [(self[name], name in WIDE) for name in names]


class NewProjectForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = [*ProjectForm.Meta.fields, "slug"]
        help_texts = {
            "slug": _("Part of the project's web address: letters, digits and hyphens. It stays."),
            "policy_model": _(
                "Path or hub name, as far as the installation allows it. Empty: its POLICY_MODEL."
            ),
        }

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if slug in RESERVED_SLUGS:
            raise forms.ValidationError(_("This address is taken: choose another."))
        return slug
