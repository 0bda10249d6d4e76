"""What lists can be narrowed to: form and query in one, as the page's address asks for it."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import (
    CharFilter,
    ChoiceFilter,
    DateFilter,
    FilterSet,
    ModelChoiceFilter,
    NumberFilter,
)

from annotation.exchange.prompts import LONGEST_LANGUAGE
from annotation.exchange.tags import LONGEST_TAG, holding
from annotation.forms.days import BOUNDS, day_input, midnight_of
from annotation.models import Project, Prompt, PromptGroup, Triple
from annotation.selectors.groups import RANKED, standing_at
from annotation.selectors.projects import labelers_of
from annotation.selectors.prompts import containing
from annotation.selectors.triples import triples, with_text


class ListFilter(FilterSet):  # type: ignore[misc]
    """Empty fields leave everything in."""

    @property
    def query(self) -> str:
        """The filter for the page's links, without where the page begins."""
        asked = self.data.copy()
        asked.pop("before", None)
        return str(asked.urlencode())


class GroupFilter(ListFilter):
    """Of `listed_groups`."""

    CHOICES = [*PromptGroup.Status.choices, (RANKED, _("ranked"))]
    status = ChoiceFilter(choices=CHOICES, method="standing")

    def standing(
        self, groups: QuerySet[PromptGroup], _name: str, status: str
    ) -> QuerySet[PromptGroup]:
        return standing_at(groups, status)


class PromptFilter(ListFilter):
    """Of `listed_prompts`."""

    STATES = [
        ("unused", _("nothing made of it yet")),
        ("used", _("answered")),
        ("withdrawn", _("withdrawn")),
    ]
    q = CharFilter(label=_("Text"), method="with_words")
    state = ChoiceFilter(label=_("State"), choices=STATES, method="in_state", empty_label=_("all"))
    split = ChoiceFilter(label=_("Split"), choices=Prompt.Split.choices, empty_label=_("all"))
    language = CharFilter(label=_("Language"), max_length=LONGEST_LANGUAGE)
    tag = CharFilter(label=_("Tag"), max_length=LONGEST_TAG, method="tagged")

    def tagged(self, found: QuerySet[Prompt], _name: str, tag: str) -> QuerySet[Prompt]:
        return found.filter(tag_words__contains=holding(tag))

    def with_words(self, found: QuerySet[Prompt], _name: str, text: str) -> QuerySet[Prompt]:
        return containing(found, text)

    def in_state(self, found: QuerySet[Any], _name: str, state: str) -> QuerySet[Any]:
        if state == "withdrawn":
            return found.filter(is_withdrawn=True)
        return found.filter(is_withdrawn=False, is_used=state == "used")


def day_filter(label: object, method: str) -> DateFilter:
    return DateFilter(label=label, method=method, widget=day_input(), validators=BOUNDS)


def score_filter(label: object, lookup: str) -> NumberFilter:
    return NumberFilter(
        "score",
        lookup,
        label=label,
        min_value=-1,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "any"}),
    )


class TripleFilter(ListFilter):
    """Of a project's triples, to be shown or downloaded. Scores and days are inclusive."""

    q = CharFilter(label=_("Text"), method="containing")
    labeler = ModelChoiceFilter(
        field_name="ranking__labeler", label=_("Labeler"), empty_label=_("all")
    )
    policy = ChoiceFilter(
        field_name="answer__policy__number", label=_("Policy"), empty_label=_("all")
    )
    split = ChoiceFilter(
        field_name="ranking__group__prompt__split",
        label=_("Split"),
        choices=Prompt.Split.choices,
        empty_label=_("all"),
    )
    language = CharFilter(
        field_name="ranking__group__prompt__language",
        label=_("Language"),
        max_length=LONGEST_LANGUAGE,
    )
    tag = CharFilter(label=_("Tag"), max_length=LONGEST_TAG, method="tagged")
    lowest = score_filter(_("Score from"), "gte")
    highest = score_filter(_("Score to"), "lte")
    since = day_filter(_("Ranked from"), "ranked_since")
    until = day_filter(_("Ranked to"), "ranked_until")

    def __init__(self, project: Project, data: object) -> None:
        super().__init__(data, triples(project))
        self.filters["labeler"].queryset = labelers_of(project)
        numbers = project.policyversions.values_list("number", flat=True)
        self.filters["policy"].extra["choices"] = [(number, number) for number in numbers]

    def tagged(self, found: QuerySet[Triple], _name: str, tag: str) -> QuerySet[Triple]:
        return found.filter(ranking__group__prompt__tag_words__contains=holding(tag))

    def containing(self, found: QuerySet[Triple], _name: str, text: str) -> QuerySet[Triple]:
        return with_text(found, text)

    def ranked_since(self, found: QuerySet[Triple], _name: str, day: date) -> QuerySet[Triple]:
        return found.filter(ranking__created_at__gte=midnight_of(day))

    def ranked_until(self, found: QuerySet[Triple], _name: str, day: date) -> QuerySet[Triple]:
        return found.filter(ranking__created_at__lt=midnight_of(day + timedelta(days=1)))
