"""What is to be taken out, checked; and in words what each format cannot hold."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import LONGEST_LANGUAGE
from annotation.exchange.tags import LONGEST_TAG
from annotation.exchange.writing import formats
from annotation.exchange.writing.formats import FORMATS, Format
from annotation.exchange.writing.wanted import Wanted
from annotation.forms.days import DayField, midnight_of
from annotation.models import Project, Prompt, User
from annotation.selectors.projects import labelers_of

LOSSES = {
    formats.TIES: _("ties: tied answers are no pair, a tied order is left out"),
    formats.LIST: _("that more than two answers were ranked together"),
    formats.LABELERS: _("who said what: each labeler's word counts once more"),
    formats.NOTES: _("some of what was noted beside the order: remarks, highlights, seconds"),
    formats.SYSTEM: _("system messages"),
    formats.TURNS: _("some conversations: those whose turns it cannot tell apart are left out"),
    formats.VERSIONS: _("which model version wrote an answer"),
    formats.ABOUT: _("some of what is known of the prompt: language, tags, split"),
    formats.WRITERS: _("who wrote an answer"),
}


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        label=_("Format"), choices=[(f.name, f.title) for f in FORMATS.values()]
    )
    judgments = forms.ChoiceField(
        label=_("Judgments"),
        choices=[("each", _("each labeler's")), ("consensus", _("one consensus for each group"))],
        initial="each",
        required=False,
    )
    labeler = forms.ModelChoiceField(
        User.objects.none(), label=_("Labeler"), empty_label=_("all"), required=False
    )
    policy = forms.TypedChoiceField(label=_("Policy"), coerce=int, empty_value=None, required=False)
    split = forms.ChoiceField(
        label=_("Split"), choices=[("", _("all")), *Prompt.Split.choices], required=False
    )
    language = forms.CharField(label=_("Language"), max_length=LONGEST_LANGUAGE, required=False)
    tag = forms.CharField(label=_("Tag"), max_length=LONGEST_TAG, required=False)
    since = DayField(_("Ranked from"))
    until = DayField(_("Ranked to"))
    agreement = forms.FloatField(
        label=_("Agreement of labelers, at least"),
        min_value=0,
        max_value=1,
        required=False,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text=_("From 0 to 1: the share of pairs that two of them put in the same order."),
    )
    without_ties = forms.BooleanField(label=_("Leave out rankings with ties"), required=False)
    gold = forms.BooleanField(
        label=_("Only gold rankings"),
        required=False,
        help_text=_("Those that an imported file marked as gold, or as ground truth."),
    )

    def __init__(self, project: Project, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.fields["labeler"].queryset = labelers_of(project)  # type: ignore[attr-defined]
        numbers = project.policyversions.values_list("number", flat=True)
        self.fields["policy"].choices = [  # type: ignore[attr-defined]
            ("", _("all")),
            *((number, number) for number in numbers),
        ]

    @property
    def made_as(self) -> Format:
        return FORMATS[self.cleaned_data["format"]]

    @property
    def wanted(self) -> Wanted:
        data = self.cleaned_data
        since, until = data["since"], data["until"]
        return Wanted(
            labeler=data["labeler"] and data["labeler"].pk,
            policy=data["policy"],
            language=data["language"],
            tag=data["tag"],
            split=data["split"],
            since=since and midnight_of(since),
            until=until and midnight_of(until + timedelta(days=1)),
            agreement=data["agreement"],
            ties=not data["without_ties"],
            gold=data["gold"],
            judgments=data["judgments"] or "each",
        )
