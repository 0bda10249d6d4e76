"""One prompt, turn by turn."""

from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import (
    LONGEST_LANGUAGE,
    UnreadablePrompt,
    check_language,
    check_messages,
)

LABELS = {"system": _("System message"), "user": _("Question"), "assistant": _("Answer")}
LONGEST = 100  # messages


class PromptForm(forms.Form):
    """A field for each message, and two for one turn more; empty ones are left out."""

    language = forms.CharField(label=_("Language"), max_length=LONGEST_LANGUAGE, required=False)

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
        self.order_fields([*(f"message_{number}" for number in range(len(shown))), "language"])

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
        except UnreadablePrompt as problem:
            raise forms.ValidationError(problem.worded(gettext)) from problem
        return data
