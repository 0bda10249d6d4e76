"""What an admin says of a file: the file itself, what its columns mean, where it is from."""

from collections.abc import Mapping as Columns
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import LONGEST_LANGUAGE
from annotation.exchange.reading.mapping import MEANINGS, Mapping


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "JSON Lines, JSON, CSV or TSV, Parquet, plain text; any of them as gzip. What it is, "
            "is seen by its content. 32 MB at most: longer files are imported by whoever runs the "
            "server, with manage.py import."
        ),
    )
    language = forms.CharField(
        label=_("Language"),
        required=False,
        max_length=LONGEST_LANGUAGE,
        help_text=_("Of the rows that do not name one, such as en or zh. May stay empty."),
    )


class ColumnsForm(forms.Form):
    """A meaning for each column."""

    NAMED, UNNAMED, LINES, TEXTS = "named", "unnamed", "lines", "texts"
    first_row = forms.ChoiceField(
        label=_("The first row"),
        choices=[
            (NAMED, _("names the columns")),
            (UNNAMED, _("is data like the others")),
            (LINES, _("it is no table: each line is a question")),
            (TEXTS, _("it is no table: each line is raw text")),
        ],
    )

    def __init__(
        self, columns: Columns[str, str], is_table: bool, *args: Any, **given: Any
    ) -> None:
        super().__init__(*args, **given)
        self.names = list(columns)
        if not columns:
            self.fields["first_row"] = forms.ChoiceField(
                label=_("Each line"),
                choices=[(self.LINES, _("is a question")), (self.TEXTS, _("is raw text"))],
            )
        elif not is_table:
            del self.fields["first_row"]
        choices = [(meaning, gettext(words)) for meaning, words in MEANINGS.items()]
        for number, (name, example) in enumerate(columns.items()):
            self.fields[f"column{number}"] = forms.ChoiceField(
                label=name, choices=choices, required=False, help_text=example
            )

    def mapping(self) -> Mapping:
        first_row = self.cleaned_data.get("first_row")
        meanings = {name: self.cleaned_data[f"column{n}"] for n, name in enumerate(self.names)}
        if first_row in (self.LINES, self.TEXTS):
            return Mapping(is_lines=True, is_text=first_row == self.TEXTS)
        return Mapping(meanings, None if first_row is None else first_row == self.NAMED)


class AddForm(forms.Form):
    source = forms.CharField(
        label=_("Where it is from"),
        max_length=300,
        help_text=_("A web address, a name and version, or who made it."),
    )
    licence = forms.CharField(
        label=_("Licence"), max_length=200, help_text=_("Such as MIT, CC BY 4.0, or “our own”.")
    )
    has_consent = forms.BooleanField(
        label=_("Those who wrote and judged it agreed to this use, or its licence allows it."),
    )
    leaves_out = forms.BooleanField(
        label=_("Leave out the rows that cannot be taken."), required=False
    )
