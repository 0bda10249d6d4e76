"""A judgment as the fields of the desk's form, there and back, whatever was said."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from django.http import QueryDict
from django.utils.http import urlencode
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.exchange.prompts import MOST_ANSWERS
from annotation.forms import JudgmentForm
from annotation.judgment.fields import (
    GROUP,
    AnswerFields,
    Content,
    content_of,
    judgment_of,
    reordered,
)
from annotation.judgment.judgment import (
    HIGHLIGHT_LABELS,
    AnswerRating,
    BetterAnswer,
    Highlight,
    Judgment,
)
from annotation.models import AnswerFlag, Project, PromptMark, Rating

always_alike = settings(derandomize=True, deadline=None, max_examples=50)

# As the desk's form leaves a text: without outer space, and without what no database holds.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20).map(str.strip)


def some_of(choices: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(choices), unique=True).map(tuple)


@st.composite
def highlights(draw: st.DrawFn) -> Highlight:
    start, length = draw(st.integers(0, 1000)), draw(st.integers(1, 100))
    label = draw(st.sampled_from(HIGHLIGHT_LABELS))
    return Highlight(start=start, end=start + length, label=label, quote=draw(texts))


@st.composite
def orders(draw: st.DrawFn, count: int) -> list[int]:
    return draw(st.permutations(range(count)))


@st.composite
def judgments(draw: st.DrawFn, count: int, qualities: st.SearchStrategy[int | None]) -> Judgment:
    ratings = st.builds(
        AnswerRating,
        quality=qualities,
        flags=some_of(AnswerFlag.values),
        highlights=st.lists(highlights(), max_size=3).map(tuple),
    )
    rated = {position: draw(ratings) for position in range(count)}
    better = st.builds(
        BetterAnswer,
        text=texts.filter(bool),
        source=st.none() | st.integers(0, count - 1),
        is_first=st.booleans(),
    )
    return Judgment(
        ranks={position: draw(st.integers(1, count)) for position in range(count)},
        comment=draw(texts),
        ratings={at: rating for at, rating in rated.items() if not rating.is_empty},
        marks=draw(some_of(PromptMark.values)),
        none_acceptable=draw(st.booleans()),
        better=draw(st.none() | better),
    )


@st.composite
def shown_judgments(
    draw: st.DrawFn, qualities: st.SearchStrategy[int | None]
) -> tuple[Judgment, list[int], list[int]]:
    """A judgment of two to nine answers, and two orders in which they may be shown."""
    count = draw(st.integers(2, MOST_ANSWERS))
    return draw(judgments(count, qualities)), draw(orders(count)), draw(orders(count))


rated = st.integers(1, Rating.BEST_QUALITY)
Shown = tuple[Judgment, list[int], list[int]]


def as_kept(content: Content) -> Content:
    """As a draft's column gives it back."""
    return cast(Content, json.loads(json.dumps(content)))


@always_alike
@given(shown_judgments(st.none() | rated))
def test_a_judgment_spelled_and_read_back_is_the_same(shown: Shown) -> None:
    judgment, order, _other = shown
    assert judgment_of(as_kept(content_of(judgment, order)), order) == judgment


@always_alike
@given(shown_judgments(st.none() | rated))
def test_it_is_the_same_judgment_when_the_answers_are_shown_in_another_order(shown: Shown) -> None:
    judgment, order, other = shown
    moved = reordered(content_of(judgment, order), order, other)
    assert judgment_of(moved, other) == judgment


@always_alike
@given(shown_judgments(st.none() | rated), st.data())
def test_a_half_said_judgment_loses_nothing_in_another_order(shown: Shown, data: Any) -> None:
    judgment, order, other = shown
    content = content_of(judgment, order)
    names = data.draw(st.sets(st.sampled_from(sorted(content))))
    half = {name: content[name] for name in names}
    moved = reordered(half, order, other)
    assert len(moved) == len(half)
    assert reordered(moved, other, order) == half


@always_alike
@given(st.booleans(), st.data())
def test_a_judgment_shown_on_the_desk_and_sent_again_is_the_same(asks: bool, data: Any) -> None:
    project = Project(
        asks_quality=asks, answer_flags=AnswerFlag.values, prompt_marks=PromptMark.values
    )
    judgment, order, _other = data.draw(shown_judgments(rated if asks else st.none()))
    shown = JudgmentForm(project.asked, len(order), content_of(judgment, order))
    sent = JudgmentForm(project.asked, len(order), QueryDict(urlencode(shown.content, doseq=True)))
    assert sent.is_valid(), sent.errors
    assert sent.judgment(order) == judgment


def test_fields_of_an_answer_move_with_it() -> None:
    content = {"rank_1": "2", "flags_3": ["opinion"], "better_source": "1", "comment": "x"}
    moved = {"rank_3": "2", "flags_1": ["opinion"], "better_source": "3", "comment": "x"}
    assert reordered(content, [5, 6, 7], [7, 6, 5]) == moved


def test_templates_and_scripts_of_the_desk_spell_no_name_of_their_own() -> None:
    names = "|".join([*GROUP, *(f"{name}_" for name in AnswerFields._fields)])
    spelled = re.compile(rf"""(?:name=|elements[.[])["'`]?(?:{names})""")
    root = Path(__file__).parents[2]
    sources = [*root.glob("templates/annotation/_*.html"), *root.glob("static/js/desk/*.js")]
    found = [hit.group() for file in sources for hit in spelled.finditer(file.read_text())]
    assert found == []
    assert {"_answer.html", "highlights.js"} <= {file.name for file in sources}
