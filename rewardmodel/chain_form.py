"""What the page about the word chain asks, checked."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import PolicyVersion, Project

MOST_VERSIONS = 3
MOST_TOKENS = 2000
LONGEST_PROMPT = 8000
WAYS = ("step", "sweep", "score")


class NumbersField(forms.CharField):
    """Whole numbers with commas between them, -1 or more each; none at all are none."""

    def to_python(self, value: Any) -> list[int]:  # type: ignore[override]
        text = super().to_python(value)
        try:
            numbers = [int(part) for part in text.split(",")] if text else []
        except ValueError as problem:
            raise forms.ValidationError(_("These are no numbers.")) from problem
        if len(numbers) > MOST_TOKENS:
            raise forms.ValidationError(
                _("The text is longer than %(tokens)d tokens."), params={"tokens": MOST_TOKENS}
            )
        if any(not -1 <= number < 2**31 for number in numbers):
            raise forms.ValidationError(_("These are no numbers."))
        return numbers


class ChainForm(forms.Form):
    way = forms.ChoiceField(choices=[(way, way) for way in WAYS])
    prompt = forms.CharField(
        max_length=LONGEST_PROMPT,
        strip=False,
        error_messages={"required": _("Write a prompt first.")},
    )
    is_chat = forms.BooleanField(required=False)
    versions = NumbersField()
    tokens = NumbersField(required=False)
    settled = forms.IntegerField(min_value=0, max_value=MOST_TOKENS, required=False)
    temperature = forms.FloatField(label=_("temperature"), min_value=0, max_value=5)
    top_k = forms.IntegerField(label=_("top k"), min_value=0, max_value=1_000_000)
    top_p = forms.FloatField(label=_("top p"), min_value=0.001, max_value=1)
    seed = forms.IntegerField(label=_("seed"), min_value=0, max_value=2**31 - 1)

    def __init__(self, project: Project, data: Any) -> None:
        super().__init__(data)
        self.project = project

    def clean_versions(self) -> list[PolicyVersion]:
        """In the order asked for."""
        numbers: Sequence[int] = self.cleaned_data["versions"]
        found = {each.number: each for each in self.project.policyversions.all()}
        if len(numbers) > MOST_VERSIONS or not set(numbers) <= found.keys():
            raise forms.ValidationError(_("There is no such version any more: reload the page."))
        return [found[number] for number in numbers]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tokens, settled = cleaned.get("tokens", []), cleaned.get("settled") or 0
        if cleaned.get("way") == "sweep" and not settled < len(tokens):
            raise forms.ValidationError(_("There is nothing left to guess."))
        if cleaned.get("way") != "sweep" and any(token < 0 for token in tokens):
            raise forms.ValidationError(_("These are no numbers."))
        return cleaned

    def problem(self) -> str:
        """The first one, with the name of its field where that has one."""
        [name, errors], *_others = self.errors.items()
        label = self.fields[name].label if name in self.fields else None
        return f"{label}: {errors[0]}" if label else str(errors[0])
