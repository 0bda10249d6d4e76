"""What admins type about prompts and people, checked."""

import io
import uuid
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.files.base import ContentFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import LONGEST_LANGUAGE, UnreadablePrompt, parse_prompts
from annotation.models import Membership, User

GIVEN_ROLES = [
    (role.value, role.label) for role in (Membership.Role.LABELER, Membership.Role.ADMIN)
]


# What is longer is left to a worker: it would keep others from writing for too long.
LONGEST_BYTES = 1_000_000
LONGEST_LINES = 2_000


class PromptsForm(forms.Form):
    """Prompts pasted or uploaded; read and checked whole before anything is written.

    What is short is in `rows`; what is long, unread, in `chunks`.
    """

    text = forms.CharField(
        label=_("Prompts, one a line"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "dir": "auto"}),
        help_text=_(
            "A line of plain text is one question. A line that begins with { is JSON: "
            '{"prompt": text or list of messages, "lang": …, "answers": …}.'
        ),
    )
    file = forms.FileField(
        label=_("Or a file"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".txt,.jsonl,.ndjson,text/plain"}),
        help_text=_("UTF-8, one prompt a line: .txt or .jsonl."),
    )
    language = forms.CharField(
        label=_("Language"),
        required=False,
        max_length=LONGEST_LANGUAGE,
        help_text=_("Of the lines that do not name one, such as en or zh. May stay empty."),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        text: str = data.get("text", "")
        file: Any = data.get("file")
        if bool(text) == bool(file):
            raise forms.ValidationError(_("Paste lines or choose a file: one of the two."))
        sent = file or ContentFile(text.encode())
        if sent.size > LONGEST_BYTES or sent.read().count(b"\n") > LONGEST_LINES:
            sent.seek(0)
            data["rows"], data["chunks"] = None, sent.chunks()
            return data
        sent.seek(0)
        try:
            rows = list(parse_prompts(io.TextIOWrapper(sent, encoding="utf-8-sig")))
        except UnicodeDecodeError:
            raise forms.ValidationError(
                _("The file is not UTF-8 text: save it as UTF-8 and upload it again.")
            ) from None
        except UnreadablePrompt as problem:
            raise forms.ValidationError(
                _("%(problem)s Nothing was added: mend the line and send it again."),
                params={"problem": problem.worded(gettext)},
            ) from problem
        if not rows:
            raise forms.ValidationError(_("There is no prompt in it."))
        language = data.get("language", "")
        data["rows"] = [row if row.language else replace(row, language=language) for row in rows]
        return data


class NameField(forms.CharField):
    """A user's name, in the one way in which it is stored."""

    def __init__(self, **given: Any) -> None:
        super().__init__(max_length=150, **given)

    def to_python(self, value: Any) -> str:
        return User.normalize_username(super().to_python(value) or "")


class AddMemberForm(forms.Form):
    username = NameField(label=_("Name"))
    role = forms.ChoiceField(label=_("Role"), choices=GIVEN_ROLES)


class ChosenPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """In the place of a password that somebody else made, and knows."""

    def clean_new_password1(self) -> str:
        password = str(self.cleaned_data["new_password1"])
        if self.user.check_password(password):
            raise forms.ValidationError(_("Choose another password than the one you were given."))
        return password


class NewLabelerForm(forms.Form):
    username = NameField(label=_("Name to log in with"), validators=[UnicodeUsernameValidator()])
    key = forms.UUIDField(required=False, initial=uuid.uuid4, widget=forms.HiddenInput)
