"""What an admin says of a file: the file itself, what its columns mean, where it is from."""

from collections.abc import Mapping as Columns
from typing import Any, cast

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import LONGEST_LANGUAGE
from annotation.exchange.reading.mapping import MEANINGS, Mapping
from annotation.forms.said import TypedField
from annotation.models import Project, SavedMapping


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "JSON Lines, JSON, CSV or TSV, Parquet, plain text; any of them as gzip, or a data set "
            "in a zip archive, with LLaMA-Factory's dataset_info.json if it has one. What it is, "
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

    counts_from = forms.TypedChoiceField(
        label=_("Numbers of answers"),
        required=False,
        coerce=int,
        empty_value=None,
        choices=[
            ("", _("count as the rows tell")),
            (0, _("count from 0: 0 is the first answer")),
            (1, _("count from 1: 1 is the first answer")),
        ],
        help_text=_(
            "Where a column says by a number which answer is better, or in which order they are. "
            "What stands here at first is a guess by the first rows."
        ),
    )

    save_as = TypedField(
        label=_("Save it under a name"),
        required=False,
        max_length=100,
        help_text=_("May stay empty. Other files can then be read by it, whatever else they hold."),
    )

    def __init__(
        self, columns: Columns[str, str], is_table: bool, *args: Any, **given: Any
    ) -> None:
        super().__init__(*args, **given)
        self.names = list(columns)
        if not columns:
            del self.fields["counts_from"], self.fields["save_as"]
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
        if columns:
            last = ("counts_from", "save_as")
            self.order_fields(["first_row", *(f for f in self.fields if f not in last)])

    def mapping(self) -> Mapping:
        first_row = self.cleaned_data.get("first_row")
        meanings = {name: self.cleaned_data[f"column{n}"] for n, name in enumerate(self.names)}
        if first_row in (self.LINES, self.TEXTS):
            return Mapping(is_lines=True, is_text=first_row == self.TEXTS)
        has_header = None if first_row is None else first_row == self.NAMED
        return Mapping(meanings, has_header, counts_from=self.cleaned_data.get("counts_from"))


class SavedForm(forms.Form):
    """A saved meaning to read the file by; none: as it is recognised."""

    saved = forms.ModelChoiceField(
        SavedMapping.objects.none(),
        label=_("Read it by"),
        required=False,
        empty_label=_("what it is recognised as"),
    )

    def __init__(self, project: Project, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        field = cast("forms.ModelChoiceField[SavedMapping]", self.fields["saved"])
        field.queryset = project.saved_mappings.all()


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
