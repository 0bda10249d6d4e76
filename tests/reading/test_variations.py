"""The known shapes as they come in the wild: with more columns, other words, and wrong types."""

import copy
import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annotation.exchange.reading.folding import Group, fold
from annotation.exchange.reading.guessing import guessed
from annotation.exchange.reading.reading import look_at
from annotation.exchange.shapes import shape_of
from annotation.exchange.shapes.argilla import OTHERS
from annotation.exchange.shapes.item import EMPTY_ANSWER, Item, checked
from annotation.exchange.shapes.preference import EQUAL_SCORES
from annotation.exchange.wording import Unreadable
from tests.reading.judged_rows import ASKED, BAD, GOOD, JUDGED, Q, said
from tests.reading.test_shapes import found_in, groups_in

LEFT, RIGHT, TIE = [1, 2], [2, 1], [1, 1]
TRANSCRIPT = f"\n\nHuman: {Q}\n\nAssistant:"
TWO = {"prompt": Q, "response_a": GOOD, "response_b": BAD, "model_a": "m", "model_b": "n"}
BATTLE = {
    "model_a": "m",
    "model_b": "n",
    "conversation_a": [ASKED, said(GOOD), ASKED, said("Again.")],
    "conversation_b": [ASKED, said(BAD), ASKED, said("Anew.")],
}
HELPSTEER = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
TASK = {"prompt": Q, "answer1": GOOD, "answer2": BAD}
FIELDS = {"instruction": Q, "generation-1": GOOD, "generation-2": BAD}


def chosen(control: str, choice: str) -> dict[str, Any]:
    return {"from_name": control, "to_name": "p", "value": {"choices": [choice]}}


def rated(control: str, rating: int) -> dict[str, Any]:
    return {"from_name": control, "to_name": f"text_{control}", "value": {"rating": rating}}


ROWS: list[tuple[dict[str, Any], list[int]]] = [
    ({"id": 7, "source": "s", "prompt": Q, "chosen": GOOD, "rejected": BAD, "tools": None}, LEFT),
    ({"prompt": TRANSCRIPT, "chosen": f" {GOOD}", "rejected": f" {BAD}"}, LEFT),
    ({"chosen": f"{TRANSCRIPT} {GOOD}", "rejected": f"{TRANSCRIPT} {BAD}", "source": "s"}, LEFT),
    ({"prompt": Q, "chosen": [ASKED, said(GOOD)], "rejected": [ASKED, said(BAD)]}, LEFT),
    ({"instruction": Q, "chosen_response": GOOD, "rejected_response": BAD}, LEFT),
    ({"system": "s", "input": Q, "chosen": GOOD, "rejected": BAD, "order": ["x"]}, LEFT),
    (
        {
            "input": json.dumps({"messages": [ASKED]}),
            "preferred_output": json.dumps([said(GOOD)]),
            "non_preferred_output": json.dumps([said(BAD)]),
        },
        LEFT,
    ),
    ({"instruction": Q, "output_1": GOOD, "output_2": BAD, "preference": "1,2"}, LEFT),
    ({**BATTLE, "winner": "model_b", "turn": 1, "judge": ["gpt-4", "pair"]}, RIGHT),
    ({**BATTLE, "winner": "Tie (inconsistent)", "turn": 1}, TIE),
    ({**TWO, "winner": "n"}, RIGHT),
    ({**TWO, "winner": "both_bad"}, TIE),
    ({"fields": FIELDS, "responses": {"best": [{"value": "generation-2"}]}}, RIGHT),
    ({"fields": FIELDS, "responses": {"best": [{"value": "tie"}]}}, TIE),
    (
        {
            "fields": json.dumps(FIELDS),
            "responses": json.dumps({"best": [{"value": "generation-1"}]}),
        },
        LEFT,
    ),
    ({"fields": {**FIELDS, "instruction": [ASKED]}, "responses": {"best": [{"value": "1"}]}}, []),
    (
        {"data": TASK, "completions": [{"result": [{"value": {"choices": ["answer2"]}}]}]},
        RIGHT,
    ),
    (
        {
            "data": TASK,
            "annotations": [
                {
                    "result": [
                        {"to_name": "answer1", "value": {"rating": 2}},
                        {"to_name": "answer2", "value": {"rating": 4}},
                    ]
                }
            ],
        },
        RIGHT,
    ),
    ({**TASK, "annotation_id": 1, "annotator": 1, "pw": {"selected": "right"}}, RIGHT),
    ({**TASK, "annotation_id": 1, "annotator": 1, "pw": "left"}, LEFT),
    ({**TASK, "annotation_id": 1, "annotator": 1, "any": "answer2"}, RIGHT),
    ({**TASK, "annotation_id": 1, "annotator": 1, "better": "tie"}, TIE),
    ({**TASK, "annotation_id": 1, "annotator": 1, "quality": "same", "better": "1"}, []),
    (
        {"id": 1, "question": Q, "items": [GOOD, BAD], "user": "u", "q": {"rank_order": "B,A"}},
        RIGHT,
    ),
    ({**TWO, "winner": "Tie (both bad)"}, TIE),
    ({**TWO, "winner": "both bad"}, TIE),
    (
        {"data": TASK, "annotations": [{"result": [chosen("preferred", "Response B")]}]},
        RIGHT,
    ),
    (
        {"data": TASK, "annotations": [{"result": [rated("rating1", 2), rated("rating2", 4)]}]},
        RIGHT,
    ),
    (
        {"fields": FIELDS, "responses": {"rating_1": [{"value": 2}], "rating_2": [{"value": 4}]}},
        RIGHT,
    ),
    (
        {
            "prompt": json.dumps([ASKED]),
            "answers": [{"answer": GOOD, "rank": "2"}, {"answer": BAD, "rank": "1"}],
        },
        RIGHT,
    ),
    (
        {
            "instruction": Q,
            "completions": [
                {"response": GOOD, "annotations": [{"Rating": "2"}]},
                {"response": BAD, "annotations": [], "fine-grained_score": "4.5"},
            ],
        },
        RIGHT,
    ),
    (
        {
            **{"prompt": Q, "response_0": GOOD, "response_1": BAD},
            **{"better_response_id": 1, "safer_response_id": None},
        },
        RIGHT,
    ),
]


SUMMED = {"info": json.dumps({"post": "Long."}), "worker": "w", "extra": "{}"}
BY_CELLS: list[tuple[dict[str, Any], list[int]]] = [
    ({"prompt": Q, "completion": GOOD, "label": "1.0"}, [1]),
    ({"prompt": Q, "response 1": GOOD, "response 2": BAD, "label": "1.0"}, RIGHT),
    ({"history": Q, "human_ref_A": GOOD, "human_ref_B": BAD, "labels": "0.0"}, RIGHT),
    (
        {
            **SUMMED,
            "summaries": json.dumps([{"text": GOOD}, {"text": BAD}]),
            "choice": "1",
        },
        RIGHT,
    ),
    (
        {
            "instruction": Q,
            "input": "",
            "response1": GOOD,
            "response2": BAD,
            "annotator1": "2.0",
            "annotator2": "",
        },
        RIGHT,
    ),
    (
        {
            **{name: json.dumps(talk) for name, talk in BATTLE.items() if name[0] == "c"},
            "turn": "1",
            "winner": "model_b",
        },
        RIGHT,
    ),
]


@pytest.mark.parametrize(("row", "ranks"), BY_CELLS)
def test_numbers_in_the_cells_of_a_table_are_numbers(
    tmp_path: Path, row: dict[str, Any], ranks: list[int]
) -> None:
    path = tmp_path / "table"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    [group] = groups_in(look_at(path))
    assert [said.ranks for said in group.judgments] == [ranks]


def test_a_transcript_with_the_line_ends_of_windows_is_one(tmp_path: Path) -> None:
    row = {name: f"{TRANSCRIPT} {text}" for name, text in (("chosen", GOOD), ("rejected", BAD))}
    windows = {name: text.replace("\n", "\r\n") for name, text in row.items()}
    [group] = groups_in(found_in(tmp_path / "rows", [windows]))
    assert group.messages == [ASKED]
    assert [c.text for c in group.candidates] == [GOOD, BAD]


def test_who_answered_is_kept_of_pairs_whatever_the_question_is_called(tmp_path: Path) -> None:
    models = {"chosen_model": "m", "rejected_model": "n"}
    for named in ({"instruction": Q}, {"question": Q}, {"conversations": [ASKED]}):
        row = {**named, "chosen": GOOD, "rejected": BAD, **models}
        found = found_in(tmp_path / "rows", [row])
        [group] = groups_in(found)
        assert [c.author for c in group.candidates] == ["m", "n"]
        assert found.fields.keys() == row.keys()


@pytest.mark.parametrize("name", ["chosen_avg_rating", "chosen-rating", "rating_chosen"])
def test_equal_ratings_of_a_pair_are_a_suspicion(tmp_path: Path, name: str) -> None:
    numbers = {name: "4.0", name.replace("chosen", "rejected"): 4}
    row = {"prompt": Q, "chosen": GOOD, "rejected": BAD, **numbers, "margin": "clear"}
    found = found_in(tmp_path / "rows", [row])
    [item] = (item for each in found.container.rows() for item in found.items(each))
    assert item.notes == (EQUAL_SCORES,)
    assert set(item.judgments[0].given) == set(numbers)


def test_an_empty_answer_is_a_suspicion(tmp_path: Path) -> None:
    found = found_in(tmp_path / "rows", [{"prompt": Q, "chosen": GOOD, "rejected": " "}])
    [item] = (item for each in found.container.rows() for item in found.items(each))
    assert item.notes == (EMPTY_ANSWER,)


def test_a_python_list_in_a_cell_is_no_answer(tmp_path: Path) -> None:
    row = {"prompt": Q, "chosen": f"['{GOOD}']", "rejected": f"['{BAD}', \"No.\"]"}
    found = found_in(tmp_path / "rows", [row])
    with pytest.raises(Unreadable, match="is a Python list written as a text"):
        list(found.items(next(found.container.rows())))


def test_argilla_is_known_by_who_answered_its_questions(tmp_path: Path) -> None:
    said = {"pick.responses": ["response-2"], "pick.responses.users": ["u"]}
    row = {"prompt": Q, "response-1": GOOD, "response-2": BAD, **said}
    [group] = groups_in(found_in(tmp_path / "rows", [row]))
    assert [(one.labeler, one.ranks) for one in group.judgments] == [("u", RIGHT)]


def test_argillas_ratings_of_single_answers_are_grades_and_what_is_written_the_comment(
    tmp_path: Path,
) -> None:
    def record(text: str, rating: int) -> dict[str, Any]:
        said = {
            "helpful": [{"value": 1, "user_id": "u"}],
            "why": [{"value": "Clear.", "user_id": "u"}],
        }
        said["overall_rating"] = [{"value": rating, "user_id": "u"}]
        return {"fields": {"prompt": Q, "response": text}, "responses": said}

    [group] = groups_in(found_in(tmp_path / "rows", [record(GOOD, 2), record(BAD, 4)]))
    [judged] = group.judgments
    assert (judged.labeler, judged.ranks) == ("u", RIGHT)
    found = found_in(tmp_path / "rows", [record(GOOD, 2)])
    [item] = (item for each in found.container.rows() for item in found.items(each))
    assert (item.judgments[0].comment, item.judgments[0].grades) == ("Clear.", (2.0,))
    assert item.notes == ()


def test_the_controls_of_label_studio_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    row = {**TASK, "annotation_id": 1, "annotator": 1, "my_pair": "left", "free": "words"}
    found = found_in(tmp_path / "rows", [row])
    assert "my_pair" in found.fields
    assert "free" not in found.fields


def test_a_vote_that_nothing_can_be_ranked_needs_no_order(tmp_path: Path) -> None:
    replies = [{"message_id": t, "text": t, "role": "assistant"} for t in (GOOD, BAD)]
    vote = {"user_id": "u", "not_rankable": True, "ranked_message_ids": None}
    prompt = {"message_id": "p", "text": Q, "role": "prompter", "replies": replies}
    row = {"message_tree_id": "t", "prompt": {**prompt, "events": {"ranking": [vote]}}}
    [group] = groups_in(found_in(tmp_path / "rows", [row]))
    [judged] = group.judgments
    assert (judged.labeler, judged.ranks, judged.none_acceptable) == ("u", TIE, True)


@pytest.mark.parametrize(
    "turn", [{"human": Q, "assistant": GOOD}, {"input": Q, "output": GOOD}, {"问": Q, "答": GOOD}]
)
def test_turns_may_hold_a_question_with_its_answer(tmp_path: Path, turn: dict[str, str]) -> None:
    [group] = groups_in(found_in(tmp_path / "rows", [{"conversation": [turn, turn]}]))
    roles = [message["role"] for message in group.messages]
    assert (roles, group.demonstrations) == (["user", "assistant", "user"], [GOOD])


def test_a_system_message_in_helpsteers_marks_is_one(tmp_path: Path) -> None:
    prompt = f"<extra_id_0>System\nBe kind.\n<extra_id_1>User\n{Q}\n<extra_id_1>Assistant\n"
    row = {"prompt": prompt, "response": GOOD, **dict.fromkeys(HELPSTEER, 3)}
    [group] = groups_in(found_in(tmp_path / "rows", [row]))
    assert group.messages == [{"role": "system", "content": "Be kind."}, ASKED]


@pytest.mark.parametrize(("row", "ranks"), ROWS)
def test_a_known_shape_is_read_as_it_comes(
    tmp_path: Path, row: dict[str, Any], ranks: list[int]
) -> None:
    [group] = groups_in(found_in(tmp_path / "rows", [row]))
    assert [c.text for c in group.candidates] == [GOOD, BAD]
    assert [each["content"] for each in group.messages if each["role"] == "user"] == [Q]
    assert [said.ranks for said in group.judgments] == ([ranks] if ranks else [])


@pytest.mark.parametrize(
    ("control", "choice", "ranks"),
    [
        ("preferred_answer", "B", RIGHT),
        ("which_is_better", "same", TIE),
        ("overall_quality", "answer2", RIGHT),
        ("overall_quality", "B", []),
        ("overall_quality", "same", []),
        *(("better", word, []) for word in ("0", "1", "none", "Both")),
    ],
)
def test_a_choice_in_label_studio_is_a_verdict_only_where_it_says_so(
    tmp_path: Path, control: str, choice: str, ranks: list[int]
) -> None:
    result = {"from_name": control, "to_name": "prompt", "value": {"choices": [choice]}}
    row = {"data": TASK, "annotations": [{"result": [result]}]}
    found = found_in(tmp_path / "rows", [row])
    [group] = groups_in(found)
    assert [said.ranks for said in group.judgments] == ([ranks] if ranks else [])
    [item] = (item for each in found.container.rows() for item in found.items(each))
    assert item.notes == (() if ranks else (OTHERS,))


def grades(*parts: dict[str, Any]) -> list[Any]:
    answers = [{"model": "m", "response": str(n), **part} for n, part in enumerate(parts)]
    row = {"instruction": Q, "completions": answers}
    shape = shape_of([row])
    assert shape is not None
    read = shape.read(row)
    assert isinstance(read, Item)
    return [list(judged.grades) for judged in read.judgments]


def test_scores_and_ratings_of_ultrafeedback_are_not_mixed() -> None:
    rated = {"annotations": {"honesty": {"Rating": "5"}, "helpfulness": {"Rating": "N/A"}}}
    assert grades({"overall_score": 6.5, **rated}, {"overall_score": None, **rated}) == [[5.0, 5.0]]
    assert grades({"overall_score": 6.5}, {"overall_score": "N/A"}) == [[6.5, None]]
    assert grades({"overall_score": 6.5, **rated}, {"overall_score": "7"}) == [[6.5, 7.0]]


PROBLEMS = [
    ({"prompt": Q, "chosen": GOOD, "rejected": BAD, "images": ["a.png"]}, "such as images"),
    ({"prompt": Q, "chosen": GOOD, "rejected": None}, "“rejected” is empty"),
    ({"prompt": Q, "chosen": [said(GOOD), ASKED, said(BAD)], "rejected": BAD}, "differ before"),
    ({"prompt": Q, "chosen": f"[{said(GOOD)}]", "rejected": f"[{said(BAD)}]"}, "Python list"),
    ({"chosen": f"[{ASKED}, {said(GOOD)}]", "rejected": f"[{ASKED}, {said(BAD)}]"}, "Python list"),
    ({"instruction": Q, "output": [GOOD]}, "has 1 values for 2"),
    ({"prompt": '[{"role": "user", "content": "cu', "chosen": GOOD, "rejected": BAD}, "no list of"),
    (
        {
            **{"prompt": '["half \\ud83d"]', "response_a": '["a"]', "response_b": '["b"]'},
            **{"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0},
        },
        "“prompt” is no list",
    ),
    ({**BATTLE, "winner": "model_b"}, "differ before"),
    ({**TWO, "winner": "model_c"}, "“model_c”, which is none of"),
    (
        {"prompt": Q, "response_1": "", "response_2": "", "preference_strength": None},
        "nobody judged",
    ),
]


@pytest.mark.parametrize(("row", "said"), PROBLEMS)
def test_what_a_row_lacks_is_said(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    found = found_in(tmp_path / "rows", [row])
    [only] = found.container.rows()
    with pytest.raises(Unreadable, match=said):
        list(found.items(only))


def test_a_score_that_says_nothing_is_a_suspicion(tmp_path: Path) -> None:
    row = {"prompt": Q, "chosen": GOOD, "rejected": BAD, "score_chosen": 8, "score_rejected": 8}
    found = found_in(tmp_path / "rows", [row])
    [row_] = found.container.rows()
    [item] = found.items(row_)
    assert item.notes == ("the scores are equal, and yet one answer is called better",)


def test_people_who_judge_the_same_pair_may_disagree(tmp_path: Path) -> None:
    row = {"instruction": Q, "output_1": GOOD, "output_2": BAD}
    rows = [{**row, "preference": 1 + n % 2, "annotator_index": n} for n in range(3)]
    [group] = groups_in(found_in(tmp_path / "rows", rows))
    assert [(said.labeler, said.ranks) for said in group.judgments] == [
        ("0", LEFT),
        ("1", RIGHT),
        ("2", LEFT),
    ]


@pytest.mark.parametrize("text", ['[{"a": 1}]', '[{"a": 1}] is JSON. Why?', "['a', {'b': 1}]"])
def test_a_question_may_be_json(tmp_path: Path, text: str) -> None:
    row = {"prompt": text, "chosen": GOOD, "rejected": BAD, "lang": "en"}
    [group] = groups_in(found_in(tmp_path / "rows", [row]))
    assert (group.messages[0]["content"], group.language) == (text, "en")


def test_one_conversation_of_items_is_not_taken_apart(tmp_path: Path) -> None:
    said = [{"from": "human", "value": Q}, {"from": "gpt", "value": GOOD}]
    [group] = groups_in(found_in(tmp_path / "rows", [{"id": "1", "items": said}]))
    assert group.demonstrations == [GOOD]


ODD: list[Any] = [None, "", [], {}, 7, -1.5, True, "x", [None], [[]], ["x"], {"x": None}, "[1]"]


def with_each_part_wrong(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row with one field after the other, however deep, of another type, or left out."""
    left: list[tuple[Any, ...]] = [(name,) for name in row]
    while left:
        path = left.pop()
        inner: Any = row
        for step in path:
            inner = inner[step]
        if isinstance(inner, dict | list):
            left += [
                (*path, key) for key in (inner if isinstance(inner, dict) else range(len(inner)))
            ]
        for odd in (*ODD, ...):
            changed = copy.deepcopy(row)
            parent: Any = changed
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = odd
            if odd is ...:
                del parent[path[-1]]
            yield changed


@pytest.mark.parametrize("name", sorted({name for name, *_ in JUDGED}))
def test_a_field_of_the_wrong_type_is_a_sentence(name: str) -> None:
    sentences = set()
    for row in (rows[0] for each, rows, _ in JUDGED if each == name):
        shape = shape_of([row])
        assert shape is not None
        for changed in filter(shape.fits, with_each_part_wrong(row)):
            try:
                read = shape.read(changed)
                items = [checked(item) for item in ([read] if isinstance(read, Item) else read)]
                fold([(1, item) for item in items])
            except Unreadable as problem:
                sentences.add(str(problem))
    assert sentences
    assert all(sentence.endswith(".") for sentence in sentences)


def by_guess(path: Path, rows: list[dict[str, Any]], counts_from: int | None = None) -> list[Group]:
    """Of a table of another shape, with the meanings that its columns' names suggest."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return mapped(path, counts_from)


def mapped(path: Path, counts_from: int | None = None) -> list[Group]:
    found = look_at(path)
    assert found.shape is None
    mapping = replace(guessed(found.columns, found.label), counts_from=counts_from)
    mapping.check()
    return groups_in(look_at(path, mapping))


TABLES: list[tuple[dict[str, Any], list[int]]] = [
    ({"问题": Q, "回答A": GOOD, "回答B": BAD, "偏好": "B", "标注员": "甲"}, RIGHT),
    ({"问题": Q, "回答1": GOOD, "回答2": BAD, "更好的回答": "1"}, LEFT),
    ({"提示词": Q, "回答一": GOOD, "回答二": BAD, "哪个更好": "回答二"}, RIGHT),
    ({"题目": Q, "模型A回答": GOOD, "模型B回答": BAD, "结果": "一样好"}, TIE),
    ({"问题": Q, "好回答": GOOD, "坏回答": BAD}, LEFT),
    ({"Question": Q, "Answer A": GOOD, "Answer B": BAD, "Preferred": "Answer B"}, RIGHT),
    ({"prompt": Q, "model_1_response": GOOD, "model_2_response": BAD, "winner": "model_2"}, RIGHT),
    ({"prompt": Q, "responseA": GOOD, "responseB": BAD, "better": "B"}, RIGHT),
    ({"question": Q, "response_A": GOOD, "response_B": BAD, "label": "B>>A"}, RIGHT),
    ({"question": Q, "answer_0": GOOD, "answer_1": BAD, "best": "0"}, LEFT),
    ({"user": "u1", "prompt": Q, "answer_1": GOOD, "answer_2": BAD, "choice": "Both good"}, TIE),
]


@pytest.mark.parametrize(("row", "ranks"), TABLES)
def test_what_a_column_means_is_guessed_in_both_languages(
    tmp_path: Path, row: dict[str, Any], ranks: list[int]
) -> None:
    [group] = by_guess(tmp_path / "table", [row])
    assert group.messages == [ASKED]
    assert [c.text for c in group.candidates] == [GOOD, BAD]
    assert [said.ranks for said in group.judgments] == [ranks]


@pytest.mark.parametrize("said", ["-1", "nobody"])
def test_a_word_for_the_better_one_that_may_mean_two_things_is_not_guessed(
    tmp_path: Path, said: str
) -> None:
    row = {"question": Q, "response_a": GOOD, "response_b": BAD, "label": said}
    with pytest.raises(Unreadable, match="which is none of: response_a, response_b, tie"):
        by_guess(tmp_path / "table", [row])


SIDES = {"question": Q, "response_a": GOOD, "response_b": BAD}
NUMBERED = {"question": Q, "answer_1": GOOD, "answer_2": BAD}
LISTED = {"question": Q, "answers": json.dumps([GOOD, BAD])}


@pytest.mark.parametrize("answers", [SIDES, NUMBERED, LISTED])
@pytest.mark.parametrize("said", ["0", "1"])
def test_of_0_and_1_nobody_guesses_which_is_the_first_answer(
    tmp_path: Path, answers: dict[str, Any], said: str
) -> None:
    rows = [{**answers, "winner": said}, *({**answers, "winner": n} for n in "01")]
    with pytest.raises(Unreadable, match="whether 0 or 1 is the first answer"):
        by_guess(tmp_path / "table", rows)


@pytest.mark.parametrize("answers", [SIDES, NUMBERED, LISTED])
def test_where_some_row_says_2_the_first_answer_is_1(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    rows = [{**answers, "question": n, "winner": n} for n in "12"]
    groups = by_guess(tmp_path / "table", rows)
    assert [said.ranks for group in groups for said in group.judgments] == [LEFT, RIGHT]


@pytest.mark.parametrize(
    ("answers", "said", "counts_from", "ranks"),
    [
        (SIDES, "0", 0, LEFT),
        (SIDES, "1", 0, RIGHT),
        (SIDES, "1", 1, LEFT),
        (SIDES, "1.0", 0, RIGHT),
        (NUMBERED, "1", 0, RIGHT),
        (LISTED, "0", 0, LEFT),
        (SIDES, "1>0", 0, RIGHT),
        (SIDES, "model_1", 0, RIGHT),
        (SIDES, "model_1", 1, LEFT),
        ({"question": Q, "answer_2": BAD, "answer_1": GOOD}, "0", 0, RIGHT),
        (SIDES, "tie", 0, TIE),
    ],
)
def test_somebody_says_from_which_number_answers_are_counted(
    tmp_path: Path, answers: dict[str, Any], said: str, counts_from: int, ranks: list[int]
) -> None:
    [group] = by_guess(tmp_path / "table", [{**answers, "winner": said}], counts_from)
    assert [judged.ranks for judged in group.judgments] == [ranks]


def test_the_model_of_a_number_is_nobody_where_none_says_from_which_one_they_are_counted(
    tmp_path: Path,
) -> None:
    with pytest.raises(Unreadable, match="which is none of"):
        by_guess(tmp_path / "table", [{**SIDES, "winner": "model_1"}])


@pytest.mark.parametrize("said", ["-2", "-1", "_2"])
def test_a_signed_strength_is_no_number_of_an_answer(tmp_path: Path, said: str) -> None:
    row = {"prompt": Q, "answer_1": GOOD, "answer_2": BAD, "preference": said}
    with pytest.raises(Unreadable, match="which is none of: answer_1, answer_2, tie"):
        by_guess(tmp_path / "table", [row])


@pytest.mark.parametrize(("said", "ranks"), [("1", RIGHT), ("2", LEFT), ("A", RIGHT)])
def test_the_first_answer_is_a_wherever_its_column_stands(
    tmp_path: Path, said: str, ranks: list[int]
) -> None:
    row = {"winner": said, "response_b": GOOD, "response_a": BAD, "question": Q}
    [group] = by_guess(tmp_path / "table", [row, {**row, "question": "?", "winner": "2"}])[:1]
    assert [judged.ranks for judged in group.judgments] == [ranks]


THREE = {**SIDES, "response_c": "No."}


@pytest.mark.parametrize(
    ("name", "said", "counts_from", "ranks"),
    [
        ("ranking", "2,3,1", None, [3, 1, 2]),
        ("ranking", "1,2,0", None, [3, 1, 2]),
        ("ranking", "[1, 2, 0]", None, [3, 1, 2]),
        ("ranking", '["B", "C", "A"]', None, [3, 1, 2]),
        ("order", "B>C=A", None, [2, 1, 2]),
        ("排序", "2>3>1", None, [3, 1, 2]),
        ("ranking", "[1, 2]", 0, [None, 1, 2]),
        ("ranks", "2,3,1", None, [2, 3, 1]),
        ("ranks", "[1, 2, 0]", None, [2, 3, 1]),
        ("rank", "B>C>A", None, [3, 1, 2]),
        ("排名", "2,3,1", None, [2, 3, 1]),
    ],
)
def test_an_order_of_answers_is_no_list_of_their_ranks(
    tmp_path: Path, name: str, said: str, counts_from: int | None, ranks: list[int | None]
) -> None:
    row = {**THREE, name: said}
    mapping = guessed({key: str(value) for key, value in row.items()})
    item = replace(mapping, counts_from=counts_from).seeing([row]).read(row)
    assert item.judgments[0].ranks == tuple(ranks)


def test_of_a_part_of_an_order_nobody_guesses_from_which_number_it_counts(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="whether 0 or 1 is the first answer"):
        by_guess(tmp_path / "table", [{**THREE, "ranking": "1,0"}])


@pytest.mark.parametrize(("said", "counts_from"), [("2", 0), ("0", 1), ("9" * 40, 1)])
def test_a_number_that_no_answer_has_is_refused(
    tmp_path: Path, said: str, counts_from: int
) -> None:
    with pytest.raises(Unreadable, match="which is none of: response_a, response_b, tie"):
        by_guess(tmp_path / "table", [{**SIDES, "winner": said}], counts_from)


@pytest.mark.parametrize(
    ("answers", "said", "guess"),
    [
        (SIDES, "01", 0),
        (SIDES, "12", 1),
        (SIDES, "1", 1),
        (SIDES, "ab", None),
        ({"question": Q, "answer_0": GOOD, "answer_1": BAD}, "1", 0),
    ],
)
def test_from_which_number_answers_are_counted_is_guessed(
    tmp_path: Path, answers: dict[str, Any], said: str, guess: int | None
) -> None:
    path = tmp_path / "rows"
    assert found_in(path, [{**answers, "winner": one} for one in said]).counts_from == guess


def test_three_answers_that_are_counted_from_0_are_not_taken_for_their_neighbours(
    tmp_path: Path,
) -> None:
    rows = [{**SIDES, "question": n, "response_c": "No.", "winner": n} for n in "012"]
    with pytest.raises(Unreadable, match="whether 0 or 1 is the first answer"):
        by_guess(tmp_path / "table", rows)


@pytest.mark.parametrize(
    ("rows", "ranks"),
    [
        ([{"问题": Q, "回答": BAD, "标签": "差"}], [1]),
        ([{"instruction": Q, "output": BAD, "标签": "否"}], [1]),
        ([{"问题": Q, "回答1": GOOD, "回答2": BAD, "标签": "回答2"}], RIGHT),
        ([{"问题": Q, "回答A": GOOD, "回答B": BAD, "标签": "B"}], RIGHT),
    ],
)
def test_a_chinese_column_of_verdicts_is_no_column_of_tags(
    tmp_path: Path, rows: list[dict[str, Any]], ranks: list[int]
) -> None:
    path = tmp_path / "rows"
    found = found_in(path, rows)
    [group] = groups_in(found) if found.shape else mapped(path)
    assert not group.tags
    assert [(said.ranks, said.none_acceptable) for said in group.judgments] == [
        (ranks, ranks == [1])
    ]


@pytest.mark.parametrize("tag", ["儿童", "1", "B"])
def test_a_chinese_column_of_other_words_is_tags(tmp_path: Path, tag: str) -> None:
    rows = [{"instruction": Q, "output": GOOD, "标签": one} for one in (tag, "数学")]
    [group] = groups_in(found_in(tmp_path / "rows", rows))
    assert group.tags == (tag.lower(), "数学")
    assert group.demonstrations == [GOOD]


LISTS: list[tuple[dict[str, Any], list[int]]] = [
    ({"prompt": Q, "responses": [GOOD, BAD, "No."], "ranks": [0, 2, 1]}, [1, 3, 2]),
    ({"prompt": Q, "responses": [GOOD, BAD, "No."], "scores": [0.5, 0.1, 0.1]}, [1, 2, 2]),
    ({"prompt": Q, "answers": {"m": GOOD, "n": BAD, "o": "No."}, "winner": "n"}, [2, 1, 2]),
    (
        {
            "prompt": Q,
            "candidates": [
                {"text": text, "model": "m", "score": score}
                for text, score in ((GOOD, 3), (BAD, 1), ("No.", 2))
            ],
        },
        [1, 3, 2],
    ),
]


@pytest.mark.parametrize(("row", "ranks"), LISTS)
def test_a_column_may_hold_all_answers(
    tmp_path: Path, row: dict[str, Any], ranks: list[int]
) -> None:
    file = tmp_path / "rows"
    file.write_text(json.dumps(row))
    [group] = mapped(file)
    assert [c.text for c in group.candidates] == [GOOD, BAD, "No."]
    assert [said.ranks for said in group.judgments] == [ranks]


def test_any_odd_list_of_answers_is_a_sentence(tmp_path: Path) -> None:
    for odd in ODD:
        file = tmp_path / "rows"
        file.write_text(json.dumps({"prompt": Q, "responses": odd, "ranks": odd}))
        found = look_at(file)
        mapping = guessed({"prompt": Q, "responses": "[", "ranks": "["})
        [row] = found.container.rows()
        with suppress(Unreadable):
            assert list(replace(found, shape=None, mapping=mapping).items(row))
