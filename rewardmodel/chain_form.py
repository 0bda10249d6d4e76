"""What the page about the word chain asks, checked."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from rewardmodel.asking_form import MOST_TOKENS, AskingForm

MOST_VERSIONS = 3
LONGEST_PROMPT = 8000
WAYS = ("step", "sweep", "score")


class ChainForm(AskingForm):
    most_versions = MOST_VERSIONS

    way = forms.ChoiceField(choices=[(way, way) for way in WAYS])
    prompt = forms.CharField(
        max_length=LONGEST_PROMPT,
        strip=False,
        error_messages={"required": _("Write a prompt first.")},
    )
    is_chat = forms.BooleanField(required=False)
    settled = forms.IntegerField(min_value=0, max_value=MOST_TOKENS, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        tokens, settled = cleaned.get("tokens", []), cleaned.get("settled") or 0
        if cleaned.get("way") == "sweep" and not settled < len(tokens):
            raise forms.ValidationError(_("There is nothing left to guess."))
        if cleaned.get("way") != "sweep" and any(token < 0 for token in tokens):
            raise forms.ValidationError(_("These are no numbers."))
        return cleaned
