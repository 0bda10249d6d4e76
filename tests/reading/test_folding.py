"""Rows of one prompt become groups; comparisons a partial order; contradictions are named."""

import pytest

from annotation.exchange.reading.folding import fold
from annotation.exchange.reading.partial_order import Contradiction, PartialOrder
from annotation.exchange.shapes.item import Candidate, Item, Judged

ASKED = [{"role": "user", "content": "Which?"}]


def pair(better: str, worse: str, labeler: str = "file", group: str = "") -> Item:
    said = Judged(labeler, ranks=(1, 2))
    return Item(ASKED, (Candidate(better), Candidate(worse)), (said,), group=group)


def numbered(*items: Item) -> list[tuple[int, Item]]:
    return list(enumerate(items, start=1))


def test_pairs_with_an_answer_in_common_are_one_group() -> None:
    [group], problems = fold(numbered(pair("a", "b"), pair("c", "d"), pair("a", "c")))
    assert not problems
    assert [candidate.text for candidate in group.candidates] == list("abcd")
    [said] = group.judgments
    assert said.ranks == [1, 2, 2, 3]
    assert said.compared == [(0, 1), (0, 2), (0, 3), (2, 3)]


def test_pairs_without_one_stay_apart() -> None:
    groups, _problems = fold(numbered(pair("a", "b"), pair("c", "d")))
    assert [group.rows for group in groups] == [[1], [2]]


def test_pairs_of_groups_with_names_stay_apart() -> None:
    rows = numbered(pair("a", "b", group="1"), pair("a", "c", group="2"))
    assert len(fold(rows)[0]) == 2


def test_a_chain_is_a_whole_order() -> None:
    [group], _problems = fold(numbered(pair("b", "c"), pair("a", "b")))
    [said] = group.judgments
    assert (said.ranks, said.compared) == ([2, 3, 1], None)


def test_a_cycle_is_reported_at_the_row_that_closes_it() -> None:
    [group], [(row, problem)] = fold(numbered(pair("a", "b"), pair("b", "c"), pair("c", "a")))
    assert row == 3
    assert "said the opposite" in str(problem)
    assert group.rows == [1, 2]


def test_labelers_may_contradict_each_other() -> None:
    [group], problems = fold(numbered(pair("a", "b", "one"), pair("b", "a", "two")))
    assert not problems
    assert [(said.labeler, said.ranks) for said in group.judgments] == [
        ("one", [1, 2]),
        ("two", [2, 1]),
    ]


def test_equal_answers_are_one_and_a_pair_of_them_is_a_problem() -> None:
    three = Item(ASKED, tuple(map(Candidate, "aba")), (Judged(ranks=(1, 2, 1)),))
    [group], problems = fold(numbered(three))
    assert not problems
    assert ([c.text for c in group.candidates], group.merged) == (["a", "b"], 1)
    groups, [(row, problem)] = fold(numbered(pair("a", "a")))
    assert not groups
    assert (row, "the same text" in str(problem)) == (1, True)


def test_an_answer_that_was_not_ranked_is_compared_with_nothing() -> None:
    said = Judged(ranks=(2, None, 1))
    [group], _problems = fold(numbered(Item(ASKED, tuple(map(Candidate, "abc")), (said,))))
    assert group.judgments[0].compared == [(0, 2)]


def test_thumbs_of_answers_that_are_all_bad_say_that_none_is_acceptable() -> None:
    items = [
        Item(ASKED, (Candidate(text),), (Judged(grades=(0.0,), is_thumbs=True),)) for text in "ab"
    ]
    [group], _problems = fold(numbered(*items))
    [said] = group.judgments
    assert (said.mode, said.ranks, said.none_acceptable) == ("thumbs", [1, 1], True)


def test_answers_that_nobody_can_rank_here_are_a_problem() -> None:
    groups, problems = fold(numbered(Item(ASKED, (Candidate("alone"),))))
    assert not groups
    assert "people rank 2 to 9 answers" in str(problems[0][1])


def test_many_answers_to_a_question_are_learned_once_each() -> None:
    rows = numbered(*(Item(ASKED, demonstration=text) for text in ("a", "b", "a")))
    [group], _problems = fold(rows)
    assert group.demonstrations == ["a", "b"]


def test_a_partial_order_adds_nothing_of_what_contradicts_it() -> None:
    order = PartialOrder(3)
    order.add([1, 2, None])
    with pytest.raises(Contradiction):
        order.add([2, 1, 3])
    assert order.compared() == [(0, 1)]
    order.add([1, None, 1])
    assert (order.ranks(), order.compared()) == ([1, 2, 1], None)
