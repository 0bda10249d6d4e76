"""Each known shape, with rows made up here: what it is recognised as, and what a row says."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from annotation.exchange.reading.folding import Group, fold
from annotation.exchange.reading.reading import Found, look_at
from annotation.exchange.shapes import SHAPES
from annotation.exchange.shapes.item import Item
from annotation.exchange.split import prompt_key
from annotation.exchange.triples import csv_lines
from annotation.exchange.wording import Unreadable
from tests.reading.judged_rows import (
    ALPACA,
    ASKED,
    BAD,
    GOOD,
    ITEMS,
    JUDGED,
    RANKER,
    Q,
    from_,
    said,
)


def found_in(path: Path, rows: list[dict[str, Any]]) -> Found:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return look_at(path)


def groups_in(found: Found) -> list[Group]:
    by_prompt: dict[str, list[tuple[int, Item]]] = {}
    for row in found.container.rows():
        for item in found.items(row):
            by_prompt.setdefault(prompt_key(item.messages), []).append((row.place, item))
    folded = [fold(items) for items in by_prompt.values()]
    assert not [problem for _groups, problems in folded for problem in problems]
    return [group for groups, _problems in folded for group in groups]


@pytest.mark.parametrize(
    ("name", "rows", "rankings"), JUDGED, ids=[f"{n}-{name}" for n, (name, *_) in enumerate(JUDGED)]
)
def test_judgments_are_read(
    tmp_path: Path, name: str, rows: list[dict[str, Any]], rankings: list[tuple[list[int], Any]]
) -> None:
    found = found_in(tmp_path / "rows", rows)
    assert found.name == name
    [group] = groups_in(found)
    assert "blue?" in group.messages[-1]["content"]
    assert {GOOD, BAD} <= {candidate.text for candidate in group.candidates}
    assert [(said.ranks, said.compared) for said in group.judgments] == rankings


SHOWN: list[tuple[str, dict[str, Any]]] = [
    ("prompts with completions (TRL)", {"prompt": Q, "completion": GOOD}),
    ("prompts with completions (TRL)", {"prompt": [ASKED], "completion": [said(GOOD)]}),
    ("conversations (ShareGPT, OpenAI, TRL)", {"messages": [ASKED, said(GOOD)]}),
    (
        "conversations (ShareGPT, OpenAI, TRL)",
        {"id": "1", "conversations": [from_("gpt", "Hi."), from_("human", Q), from_("gpt", GOOD)]},
    ),
    ("instructions (Alpaca)", {**ALPACA, "output": GOOD}),
    (
        "instructions (Dolly)",
        {"instruction": "Why is the sky", "context": "blue?", "response": GOOD, "category": "open"},
    ),
    ("questions", {"question": Q, "answer": GOOD}),
    ("doccano (text to text)", {"id": 1, "text": Q, "label": [GOOD]}),
]


@pytest.mark.parametrize(("name", "row"), SHOWN)
def test_answers_to_learn_from_are_read(tmp_path: Path, name: str, row: dict[str, Any]) -> None:
    found = found_in(tmp_path / "rows", [row])
    assert found.name == name
    [group] = groups_in(found)
    assert group.demonstrations == [GOOD]
    assert len(group.messages) == 1


@pytest.mark.parametrize("row", [{"prompt": Q}, {"prompt": [ASKED], "lang": "en", "answers": 4}])
def test_prompts_are_read(tmp_path: Path, row: dict[str, Any]) -> None:
    found = found_in(tmp_path / "rows", [row])
    assert found.name == "prompts"
    [group] = groups_in(found)
    assert (group.messages, group.answers_wanted) == ([ASKED], row.get("answers"))


def test_raw_text_is_read(tmp_path: Path) -> None:
    found = found_in(tmp_path / "rows", [{"text": "Once upon a time."}])
    [row] = found.container.rows()
    assert [item.text for item in found.items(row)] == ["Once upon a time."]


def test_answers_of_other_models_are_named_and_judged_by_nobody(tmp_path: Path) -> None:
    rows = [{"instruction": Q, "output": text, "generator": f"{text} 1B"} for text in (GOOD, BAD)]
    [group] = groups_in(found_in(tmp_path / "rows", rows))
    assert [(c.text, c.author) for c in group.candidates] == [
        (GOOD, f"{GOOD} 1B"),
        (BAD, f"{BAD} 1B"),
    ]
    assert not group.judgments


def test_our_triples_come_back_as_the_ranking_that_they_are_of(tmp_path: Path) -> None:
    empty = dict.fromkeys(
        ["quality", "flags", "marks", "comment", "finish_reason", "split", "ranked_at"], ""
    )
    row = {**empty, "question": Q, "labeler": "ann", "group": 7, "policy": 1, "language": "en"}
    answers = [("=1+1", 2), (GOOD, 1), ("No.", 2)]
    rows = [
        {**row, "answer": text, "rank": rank, "score": 0.0, "none_acceptable": False}
        for text, rank in answers
    ]
    file = tmp_path / "rows"
    file.write_text("".join(csv_lines(rows)), encoding="utf-8", newline="")
    found = look_at(file)
    assert found.name == "Laoshi triples"
    [group] = groups_in(found)
    assert [(c.text, c.author) for c in group.candidates] == [
        (text, "policy 1") for text, _rank in answers
    ]
    [said] = group.judgments
    assert (said.labeler, said.ranks, said.compared) == ("ann", [2, 1, 2], None)


def test_json_in_the_cells_of_a_table_is_read(tmp_path: Path) -> None:
    row = {"annotation_id": 1, "annotator": 1, "lead_time": 3, "prompt": Q}
    cells = {"items": json.dumps(ITEMS), "rank": json.dumps([RANKER["value"]])}
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*row, *cells], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerow({**row, **cells})
    file = tmp_path / "rows"
    file.write_text(buffer.getvalue())
    [group] = groups_in(look_at(file))
    assert [said.ranks for said in group.judgments] == [[2, 1]]


REFUSED = [
    ({"prompt": Q, "completions": ["a"], "labels": [True]}, "stepwise"),
    ({"left": "a", "right": "b", "winner": "left"}, "no texts"),
    ({"id": 1, "response_quality": {"rank_order": "B,A"}}, "not the answers"),
    ({"message_id": "m", "parent_id": None, "text": "t", "role": "prompter"}, "trees"),
]


@pytest.mark.parametrize(("row", "said"), REFUSED)
def test_what_nothing_learns_from_is_refused_whole(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        found_in(tmp_path / "rows", [row, row])


CALL = {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}
PROBLEMS = [
    ({"messages": [ASKED, {**said(GOOD), "weight": 0}]}, "weight 0"),
    ({"messages": [ASKED, CALL]}, "calls of tools"),
    ({"messages": [from_("human", Q), from_("observation", "x"), said(GOOD)]}, "calls of tools"),
    ({"messages": [IMAGE, said(GOOD)]}, "no text, such as images"),
    ({"messages": [{"role": "wizard", "content": Q}]}, "role “wizard”"),
    ({"messages": [said(GOOD), said(BAD)]}, "must be a text or a list"),
    ({"prompt": Q, "chosen": GOOD, "rejected": 7}, "“rejected” is no"),
    ({"prompt": Q, "completion": GOOD, "label": "perhaps"}, "none of: "),
    ({"prompt": "[{'role': 'user', 'content': 'x'}]", "completion": GOOD}, "Python list"),
    ({"prompt": "", "completion": GOOD}, "content"),
]


@pytest.mark.parametrize(("row", "said"), PROBLEMS)
def test_a_row_that_cannot_be_taken_says_why(
    tmp_path: Path, row: dict[str, Any], said: str
) -> None:
    found = found_in(tmp_path / "rows", [row])
    assert found.is_readable
    [only] = found.container.rows()
    with pytest.raises(Unreadable, match=said):
        list(found.items(only))


def test_every_shape_has_a_test() -> None:
    tested = {name for name, *_ in JUDGED} | {name for name, _row in SHOWN}
    others = {"prompts", "Laoshi triples", "answers of a model (alpaca_eval)", "LabelLLM"}
    others |= {"raw text (TRL language modeling)", "preference texts with the prompt in both (TRL)"}
    assert {shape.name for shape in SHAPES if not shape.refuses} == tested | others
