"""A project's settings, checked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.exchange.jsonl import holds_half_characters
from annotation.forms import LabelingForm, UntrustedJSONField
from annotation.models import User
from annotation.selectors.projects import may_begin_with
from rewardmodel.models import TrainingRun
from rewardmodel.services import as_run_takes_it

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
        _("Training"),
        "",
        [
            *("training_is_automatic", "training_threshold", "heldout_percent", "kl_budget"),
            "promotion",
            *("reward_settings", "policy_settings"),
        ],
    ),
]
ONCE = {"slug", "policy_model"}
"""Chosen when the project is made; they stay."""
WIDE = {
    *("name", "policy_model", "guidelines", "is_active", "training_is_automatic"),
    "system_prompt",
    *LabelingForm.Meta.fields,
    *("reward_settings", "policy_settings"),
}


class SettingsField(UntrustedJSONField):
    """What a database holds is shown whatever it is: this is the page on which it is mended."""

    def prepare_value(self, value: Any) -> Any:
        shown = super().prepare_value(value)
        return json.dumps(value) if holds_half_characters(shown) else shown


class ProjectForm(LabelingForm):
    class Meta(LabelingForm.Meta):
        fields = [name for section in SECTIONS for name in section.names if name not in ONCE]
        widgets = {
            **LabelingForm.Meta.widgets,
            "guidelines": forms.Textarea(attrs={"rows": 10, "dir": "auto"}),
            "system_prompt": forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
            "reward_settings": forms.Textarea(attrs={"rows": 4, "class": "code"}),
            "policy_settings": forms.Textarea(attrs={"rows": 4, "class": "code"}),
        }
        field_classes = {"reward_settings": SettingsField, "policy_settings": SettingsField}

    def clean_reward_settings(self) -> dict[str, Any]:
        return self._checked(TrainingRun.Kind.REWARD, "reward_settings")

    def clean_policy_settings(self) -> dict[str, Any]:
        return self._checked(TrainingRun.Kind.POLICY, "policy_settings")

    def _checked(self, kind: str, name: str) -> dict[str, Any]:
        values: dict[str, Any] = self.cleaned_data[name] or {}
        try:
            as_run_takes_it(self.instance, kind, values)
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from problem
        return values

    def sections(self) -> Iterator[tuple[Section, list[tuple[forms.BoundField, bool]]]]:
        """Each with its fields and whether a field takes the whole width, as the page has them."""
        for section in SECTIONS:
            names = [name for name in section.names if name in self.fields]
            yield section, [(self[name], name in WIDE) for name in names]


class NewProjectForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = [name for section in SECTIONS for name in section.names]
        help_texts = {
            "slug": _("Part of the project's web address: letters, digits and hyphens. It stays."),
            "policy_model": _(
                "Path or hub name, as far as the installation allows it. Empty: its POLICY_MODEL."
            ),
        }

    def __init__(self, owner: User, data: Any = None) -> None:
        super().__init__(data)
        self.owner = owner

    def clean_policy_model(self) -> str:
        model = str(self.cleaned_data["policy_model"])
        if model and not may_begin_with(self.owner, model):
            raise forms.ValidationError(
                _(
                    "This installation does not offer this model. Leave the field empty, or ask "
                    "whoever runs the installation to add the model to POLICY_MODELS."
                )
            )
        return model

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if slug in RESERVED_SLUGS:
            raise forms.ValidationError(_("This address is taken: choose another."))
        return slug
