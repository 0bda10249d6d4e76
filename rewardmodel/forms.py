"""A project's settings, checked."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import Project
from rewardmodel.models import TrainingRun
from rewardmodel.services import check_settings

RESERVED_SLUGS = {"new"}
GROUPS = [
    (_("Project"), ["name", "slug", "policy_model", "guidelines", "is_active"]),
    (_("Ranking"), ["answers_per_group", "overlap", "queue_target", "lease_minutes"]),
    (_("Answers"), ["temperature", "top_p", "max_new_tokens"]),
    (
        _("Learning"),
        ["training_is_automatic", "training_threshold", "heldout_percent", "kl_budget"],
    ),
    (_("For experts"), ["reward_settings", "policy_settings"]),
]
WIDE = {"name", "guidelines", "is_active", "training_is_automatic", "policy_model"}


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Project
        fields = [
            name
            for _title, names in GROUPS
            for name in names
            if name not in {"slug", "policy_model"}
        ]
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 10, "dir": "auto"}),
            "reward_settings": forms.Textarea(attrs={"rows": 5, "class": "code"}),
            "policy_settings": forms.Textarea(attrs={"rows": 5, "class": "code"}),
        }

    def clean_reward_settings(self) -> dict[str, Any]:
        return self._checked(TrainingRun.Kind.REWARD, "reward_settings")

    def clean_policy_settings(self) -> dict[str, Any]:
        return self._checked(TrainingRun.Kind.POLICY, "policy_settings")

    def _checked(self, kind: str, name: str) -> dict[str, Any]:
        values = self.cleaned_data[name] or {}
        if not isinstance(values, dict):
            raise forms.ValidationError(
                _('Write a JSON object, such as {"learning_rate": 0.0001}, or {} for the defaults.')
            )
        try:
            check_settings(kind, values)
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from problem
        return values

    def groups(self) -> list[tuple[Any, list[tuple[forms.BoundField, bool]]]]:
        """(title, [(field, whether it takes the whole width)]) in the order of the page."""
        return [
            (title, [(self[name], name in WIDE) for name in names if name in self.fields])
            for title, names in GROUPS
        ]


class NewProjectForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = [name for _title, names in GROUPS for name in names]
        help_texts = {
            "slug": _("Part of the project's web address: letters, digits and hyphens. It stays.")
        }

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if slug in RESERVED_SLUGS:
            raise forms.ValidationError(_("This address is taken: choose another."))
        return slug
