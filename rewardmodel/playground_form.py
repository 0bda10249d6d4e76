"""What the playground asks and keeps, checked as any prompt is."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import UnreadablePrompt, check_messages
from annotation.forms import UntrustedJSONField, WriteForm
from annotation.forms.said import TypedField
from annotation.models import PolicyVersion, Project
from annotation.services.playground import Exchange
from rewardmodel.asking_form import MOST_TOKENS, AskingForm

MOST_VERSIONS = 2
MOST_ANSWERS = 4
LONGEST_CONVERSATION = 100_000  # characters
WAYS = ("write", "score", "reveal")
KINDS = ("prompt", "demonstration", "group")
SETTINGS = ("temperature", "top_k", "top_p", "max_new_tokens")


class MessagesField(UntrustedJSONField):
    """A conversation whose last turn is the user's."""

    def clean(self, value: Any) -> list[dict[str, str]]:
        if len(str(value)) > LONGEST_CONVERSATION:
            raise forms.ValidationError(
                _("The conversation has more than %(characters)d characters: begin a new one."),
                params={"characters": LONGEST_CONVERSATION},
            )
        try:
            return check_messages(super().clean(value))
        except UnreadablePrompt as problem:
            raise forms.ValidationError(problem.worded(gettext)) from problem


class ConversationForm(forms.Form):
    messages = MessagesField(error_messages={"required": _("Write something first.")})
    system_prompt = TypedField(label=_("system prompt"), max_length=4000, required=False)


class PlaygroundForm(AskingForm, ConversationForm):
    most_versions = MOST_VERSIONS

    way = forms.ChoiceField(choices=[(way, way) for way in WAYS])
    name = forms.UUIDField()
    place = forms.IntegerField(min_value=0, max_value=MOST_ANSWERS - 1)
    proof = forms.CharField(max_length=64, required=False)
    max_new_tokens = forms.IntegerField(
        label=_("longest answer in tokens"), min_value=1, max_value=MOST_TOKENS
    )

    def clean_versions(self) -> list[PolicyVersion]:
        versions = super().clean_versions()
        if len(set(versions)) < len(versions):
            raise forms.ValidationError(_("Choose two different versions."))
        return versions

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        versions, place = cleaned.get("versions", []), cleaned.get("place", 0)
        if len(versions) > 1 and place >= len(versions):
            raise forms.ValidationError(_("There is no such answer."))
        if any(token < 0 for token in cleaned.get("tokens", [])):
            raise forms.ValidationError(_("These are no numbers."))
        return cleaned

    @property
    def exchange(self) -> Exchange:
        """After is_valid()."""
        cleaned = self.cleaned_data
        return Exchange(
            name=str(cleaned["name"]),
            versions=cleaned["versions"],
            messages=cleaned["messages"],
            system_prompt=cleaned["system_prompt"],
            sampling={name: cleaned[name] for name in SETTINGS},
            seed=cleaned["seed"],
        )


class KeepForm(ConversationForm):
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in KINDS])
    text = TypedField(required=False, max_length=WriteForm.LONGEST)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == "demonstration" and not cleaned.get("text"):
            raise forms.ValidationError(_("Write an answer first."))
        return cleaned


def initial_of(project: Project) -> dict[str, Any]:
    """With which settings the page opens: those of the project's queue."""
    length = min(project.max_new_tokens, MOST_TOKENS)
    own = {name: getattr(project, name) for name in ("system_prompt", "temperature", "top_p")}
    return {**own, "max_new_tokens": length}
