"""One prompt, turn by turn."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import (
    LONGEST_LANGUAGE,
    check_language,
    check_messages,
)
from annotation.exchange.tags import LONGEST_TAG, MOST_TAGS, tags_of
from annotation.exchange.wording import Unreadable

LABELS = {"system": _("System message"), "user": _("Question"), "assistant": _("Answer")}
LONGEST = 100  # messages
BETWEEN_TAGS = ", "


class PromptForm(forms.Form):
    """A field for each message, and two for one turn more; empty ones are left out."""

    language = forms.CharField(label=_("Language"), max_length=LONGEST_LANGUAGE, required=False)
    tags = forms.CharField(
        label=_("Tags"),
        max_length=MOST_TAGS * (LONGEST_TAG + len(BETWEEN_TAGS)),
        required=False,
        help_text=_("Words by which you find it again, with blanks or commas between them."),
    )

    def __init__(self, messages: list[dict[str, str]], *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        shown = list(messages)
        if not shown or shown[0]["role"] != "system":
            shown = [{"role": "system", "content": ""}, *shown]
        if shown[-1]["role"] == "user" and len(shown) > 1:
            shown.append({"role": "assistant", "content": ""})
        shown.append({"role": "user", "content": ""})
        self.roles = [message["role"] for message in shown]
        for number, message in enumerate(shown):
            self.fields[f"message_{number}"] = forms.CharField(
                label=LABELS[message["role"]],
                initial=message["content"],
                required=False,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
            )
        messages_first = [f"message_{number}" for number in range(len(shown))]
        self.order_fields([*messages_first, "language", "tags"])

    @property
    def said(self) -> tuple[list[dict[str, str]], str, tuple[str, ...]]:
        """Messages, language, tags."""
        data = self.cleaned_data
        return data["messages"], data["language"], data["tags"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        texts = [data.get(f"message_{number}", "") for number in range(len(self.roles))]
        said = [
            {"role": role, "content": text}
            for role, text in zip(self.roles, texts, strict=True)
            if text.strip()
        ]
        try:
            data["messages"] = check_messages(said)
            data["language"] = check_language(data.get("language"))
            data["tags"] = tags_of(data.get("tags"))
        except Unreadable as problem:
            raise forms.ValidationError(problem.worded(gettext)) from problem
        return data
