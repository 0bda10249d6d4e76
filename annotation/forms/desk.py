"""What labelers say at the desk, checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from annotation.forms.said import HighlightsField, TypedField, typed
from annotation.judgment.fields import (
    GROUP,
    AnswerFields,
    Content,
    answer_fields,
    asked_in,
    judgment_of,
    spell_asked,
)
from annotation.judgment.judgment import THUMBS, Asked, Judgment
from annotation.judgment.scores import ranks_from_quality
from annotation.models import Answer, AnswerFlag, Flag, PromptMark, Rating, Skip

LONGEST_COMMENT = 5000
LONGEST_ANSWER = 50_000
GOOD, BAD = 1, 2


@dataclass(frozen=True)
class ShownAnswer:
    """One answer as it stands on the desk, with what was said of it so far.

    `index`, from "1", is a text: no name in which it stands has a number to format.
    """

    index: str
    text: str
    rank: str
    quality: str
    flags: list[str]
    highlights: str
    is_source: bool
    cut_at: int | None


class JudgmentForm(forms.Form):
    """What is said of a group, by the order shown: nothing here tells which answer is which.

    `data` is what a browser sent, or the content of a draft. It may answer what was `asked`
    before: ranks of another mode are never read as those of this one.
    """

    def __init__(
        self, asked: Asked, count: int, data: QueryDict | Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(data)
        self.asked, self.count = asked, count
        self.answered = asked_in(self.data) or asked
        self.is_thumbs = asked.mode == THUMBS
        best_to_worst = range(1, (BAD if self.is_thumbs else count) + 1)
        self.rank_choices = [str(rank) for rank in best_to_worst]
        self.quality_choices = [str(step) for step in range(1, Rating.BEST_QUALITY + 1)]
        self.flag_choices = chosen_of(AnswerFlag.choices, asked.flags)
        self.mark_choices = chosen_of(PromptMark.choices, asked.marks)

    @property
    def is_of_another_mode(self) -> bool:
        return self.answered.mode != self.asked.mode

    @property
    def is_outdated(self) -> bool:
        """Whether the page that was filled in asked something that is not what is asked now."""
        is_unrated = self.asked.quality and not self.answered.quality
        return self.is_of_another_mode or is_unrated or self._has_unoffered

    @property
    def _has_unoffered(self) -> bool:
        """Whether a remark is ticked that is not offered."""
        flags = {flag for n in self._numbers for flag in self._many(answer_fields(n).flags)}
        return not (flags <= {*self.asked.flags} and {*self.marks_chosen} <= {*self.asked.marks})

    @property
    def asked_spelled(self) -> str:
        return spell_asked(self.asked.mode, self.asked.quality)

    def full_clean(self) -> None:
        self._complete()
        super().full_clean()

    def _complete(self) -> None:
        """Adds the fields: a desk that is only shown needs none."""
        if self.fields:
            return
        self.fields[GROUP.asked] = TypedField(required=False)
        self.fields[GROUP.comment] = TypedField(required=False, max_length=LONGEST_COMMENT)
        self.fields[GROUP.none_acceptable] = forms.BooleanField(required=False)
        self.fields[GROUP.better] = TypedField(required=False, max_length=LONGEST_ANSWER)
        self.fields[GROUP.better_first] = forms.BooleanField(required=False)
        for number in self._numbers:
            self._add_fields(answer_fields(number))
        self.fields[GROUP.better_source] = forms.TypedChoiceField(
            required=False,
            choices=[("", ""), *((str(number), number) for number in self._numbers)],
            coerce=int,
            empty_value=None,
        )
        self.fields[GROUP.marks] = forms.MultipleChoiceField(
            required=False, choices=self.mark_choices
        )

    def clean_asked(self) -> str:
        if self.is_outdated:
            raise forms.ValidationError(
                _(
                    "What this project asks has changed since this page was opened, so nothing "
                    "was stored yet. What you said is kept as far as it fits."
                )
            )
        return self.asked_spelled

    def _add_fields(self, names: AnswerFields) -> None:
        unranked = (
            _("Say good or bad of every answer, then submit.")
            if self.is_thumbs
            else _("Give every answer a place, then submit.")
        )
        self.fields[names.rank] = forms.TypedChoiceField(
            required=not self.asked.is_order_optional,
            choices=[(rank, rank) for rank in self.rank_choices],
            coerce=int,
            empty_value=None,
            error_messages={"required": unranked},
        )
        if self.asked.quality or self.answered.quality:
            self.fields[names.quality] = forms.TypedChoiceField(
                required=self.asked.quality,
                choices=[(step, step) for step in self.quality_choices],
                coerce=int,
                empty_value=None,
                error_messages={"required": _("Rate the quality of every answer, then submit.")},
            )
        self.fields[names.flags] = forms.MultipleChoiceField(
            required=False, choices=self.flag_choices
        )
        self.fields[names.highlights] = HighlightsField(required=False)

    def clean(self) -> None:
        """Where no order is given and none need be, it follows from the ratings."""
        if not self.asked.is_order_optional or self.errors:
            return
        names = [answer_fields(number) for number in self._numbers]
        missing = [one.rank for one in names if self.cleaned_data[one.rank] is None]
        if len(missing) == self.count:
            ranks = ranks_from_quality([self.cleaned_data[one.quality] for one in names])
            for one, rank in zip(names, ranks, strict=True):
                self.cleaned_data[one.rank] = rank
        elif missing:
            self.add_error(missing[0], _("Give every answer a place, or none of them."))

    def judgment(self, order: Sequence[int]) -> Judgment:
        """What was said of the answers, shown in this order of positions; after is_valid()."""
        judged = judgment_of(self.cleaned_data, order)
        all_bad = self.is_thumbs and set(judged.ranks.values()) == {BAD}
        return replace(judged, none_acceptable=True) if all_bad else judged

    @property
    def content(self) -> Content:
        """What was filled in, complete or not: how a draft is kept. Empty: nothing was."""
        self._complete()
        given: Content = {}
        for name, field in self.fields.items():
            is_list = isinstance(field, forms.MultipleChoiceField)
            value = self._many(name) if is_list else self._one(name)
            if value:
                given[name] = value
        return given if given.keys() - {GROUP.asked} else {}

    @property
    def problem(self) -> str:
        return str(next(iter(self.errors.values()))[0])

    @property
    def marks_chosen(self) -> list[str]:
        return self._many(GROUP.marks)

    @property
    def comment_typed(self) -> str:
        return self._one(GROUP.comment)

    @property
    def better_typed(self) -> str:
        return self._one(GROUP.better)

    @property
    def is_better_first(self) -> bool:
        return bool(self._one(GROUP.better_first))

    @property
    def is_none_acceptable(self) -> bool:
        return not self.is_of_another_mode and bool(self._one(GROUP.none_acceptable))

    @property
    def ranks_before(self) -> dict[int, int]:
        """Ranks that answer a question of another mode, by the answer's number."""
        if not self.is_of_another_mode:
            return {}
        ranks = {number: self._one(answer_fields(number).rank) for number in self._numbers}
        known = {str(number) for number in self._numbers}
        return {number: int(rank) for number, rank in ranks.items() if rank in known}

    @property
    def _numbers(self) -> range:
        return range(1, self.count + 1)

    def shown_answers(self, answers: Sequence[Answer]) -> list[ShownAnswer]:
        """The answers, in the order shown, each with what was said of it."""
        return [self._shown_answer(number, one) for number, one in enumerate(answers, start=1)]

    def _shown_answer(self, number: int, answer: Answer) -> ShownAnswer:
        """Good or bad is stored as two ranks; all bad, as one that is not acceptable."""
        index, fields = str(number), answer_fields(number)
        rank = "" if self.is_of_another_mode else self._one(fields.rank)
        all_bad = self.is_thumbs and self.is_none_acceptable
        return ShownAnswer(
            index=index,
            text=answer.text,
            rank=str(BAD) if all_bad else rank,
            quality=self._one(fields.quality),
            flags=self._many(fields.flags),
            highlights=self._one(fields.highlights),
            is_source=self._one(GROUP.better_source) == index,
            cut_at=answer.cut_at,
        )

    def _one(self, name: str) -> str:
        value = self.data.get(name) or ""
        return typed(value) if isinstance(value, str) else json.dumps(value)

    def _many(self, name: str) -> list[str]:
        if isinstance(self.data, QueryDict):
            return [typed(str(value)) for value in self.data.getlist(name)]
        return list(self.data.get(name) or [])


def chosen_of(choices: Sequence[tuple[str, Any]], wanted: Sequence[str]) -> list[tuple[str, Any]]:
    return [(value, label) for value, label in choices if value in wanted]


class SkipForm(forms.Form):
    reason = forms.ChoiceField(choices=Skip.Reason.choices)


class FlagForm(forms.Form):
    flag_text = forms.CharField(max_length=Flag.LONGEST)


class WriteForm(forms.Form):
    LONGEST = LONGEST_ANSWER

    text = TypedField(
        label=_("Your answer"),
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 12, "dir": "auto"}),
        error_messages={"required": _("Write an answer first.")},
    )

    @property
    def problem(self) -> str:
        return str(self.errors["text"][0])
