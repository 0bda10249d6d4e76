"""What admins type about prompts, people and triples, checked."""

import io
from dataclasses import replace
from datetime import date
from typing import Any

from django import forms
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.files.base import ContentFile
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import UnreadablePrompt, read_prompts
from annotation.models import Membership, Project, Prompt
from annotation.selectors.triples import TripleFilter, labelers_of, policy_numbers

GIVEN_ROLES = [
    (role.value, role.label) for role in (Membership.Role.LABELER, Membership.Role.ADMIN)
]


# Midnight of the days at either end of the calendar is beyond it in some time zone.
DAYS = [MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(2999, 12, 31))]


def date_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


def score_input() -> forms.NumberInput:
    return forms.NumberInput(attrs={"step": "any"})


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
        max_length=20,
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
            rows = list(read_prompts(io.TextIOWrapper(sent, encoding="utf-8-sig")))
        except UnicodeDecodeError:
            raise forms.ValidationError(
                _("The file is not UTF-8 text: save it as UTF-8 and upload it again.")
            ) from None
        except UnreadablePrompt as problem:
            raise forms.ValidationError(
                _("%(problem)s Nothing was added: mend the line and send it again."),
                params={"problem": problem},
            ) from problem
        if not rows:
            raise forms.ValidationError(_("There is no prompt in it."))
        language = data.get("language", "")
        data["rows"] = [row if row.language else replace(row, language=language) for row in rows]
        return data


class AddMemberForm(forms.Form):
    username = forms.CharField(label=_("Name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=GIVEN_ROLES)


class NewLabelerForm(forms.Form):
    username = forms.CharField(
        label=_("Name to log in with"), max_length=150, validators=[UnicodeUsernameValidator()]
    )


class TripleFilterForm(forms.Form):
    """Which triples to show or to download; empty fields leave everything in."""

    q = forms.CharField(label=_("Text"), required=False)
    labeler = forms.ChoiceField(label=_("Labeler"), required=False)
    policy = forms.ChoiceField(label=_("Policy"), required=False)
    split = forms.ChoiceField(
        label=_("Split"), required=False, choices=[("", _("all")), *Prompt.Split.choices]
    )
    language = forms.CharField(label=_("Language"), required=False, max_length=20)
    lowest = forms.FloatField(
        label=_("Score from"), required=False, min_value=-1, max_value=1, widget=score_input()
    )
    highest = forms.FloatField(
        label=_("Score to"), required=False, min_value=-1, max_value=1, widget=score_input()
    )
    since = forms.DateField(
        label=_("Ranked from"), required=False, widget=date_input(), validators=DAYS
    )
    until = forms.DateField(
        label=_("Ranked to"), required=False, widget=date_input(), validators=DAYS
    )

    def __init__(self, project: Project, data: Any) -> None:
        super().__init__(data)
        everyone: tuple[str, Any] = ("", _("all"))
        self.fields["labeler"].choices = [everyone, *labelers_of(project)]  # type: ignore[attr-defined]
        self.fields["policy"].choices = [  # type: ignore[attr-defined]
            everyone,
            *((str(number), number) for number in policy_numbers(project)),
        ]

    @property
    def chosen(self) -> TripleFilter:
        """What was asked for; only after is_valid()."""
        typed = self.cleaned_data.items()
        given = {name: value for name, value in typed if value not in ("", None)}
        for name in ("labeler", "policy"):
            if name in given:
                given[name] = int(given[name])
        return TripleFilter(**given)
