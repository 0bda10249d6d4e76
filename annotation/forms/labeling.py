"""What a project asks its labelers, as its admins choose it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import AnswerFlag, Project, PromptMark


class LabelingForm(forms.ModelForm):  # type: ignore[type-arg]
    answer_flags = forms.MultipleChoiceField(
        label=_("Remarks on an answer"),
        choices=AnswerFlag.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    prompt_marks = forms.MultipleChoiceField(
        label=_("Remarks on the question"),
        choices=PromptMark.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Project
        fields = [
            *("mode", "asks_quality", "demonstrations_wanted", "shows_expectation"),
            *("answer_flags", "prompt_marks"),
        ]
        widgets: dict[str, Any] = {"mode": forms.RadioSelect}
