"""What every page asks that asks versions at once: which of them, and how they are to draw."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import PolicyVersion, Project

MOST_TOKENS = 2000


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


class AskingForm(forms.Form):
    most_versions: int

    versions = NumbersField()
    tokens = NumbersField(required=False)
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
        if len(numbers) > self.most_versions or not set(numbers) <= found.keys():
            raise forms.ValidationError(_("There is no such version any more: reload the page."))
        return [found[number] for number in numbers]


def problem_of(form: forms.Form) -> str:
    """The first one, with the name of its field where that has one."""
    [name, errors], *_others = form.errors.items()
    label = form.fields[name].label if name in form.fields else None
    return f"{label}: {errors[0]}" if label else str(errors[0])
