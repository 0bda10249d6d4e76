from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewardmodel.learning.core.snapshot import json_rows, read_groups, read_prompts
from rewardmodel.learning.core.snapshot_rows import LabelerRanking, SnapshotError
from tests.learning.conftest import Rows, shorter_is_better, user

Write = Callable[[Rows], Path]
NAN = float("nan")


def group(**overrides: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "prompt": user("Hi"),
        "answers": ["a", "b"],
        "rankings": [{"labeler": "one", "ranks": [1, 2]}],
        **overrides,
    }


def ranked(labeler: str = "one", **more: Any) -> dict[str, Any]:
    return {"labeler": labeler, "ranks": [1, 2], **more}


def test_groups_are_split_as_their_rows_say(write_rows: Write) -> None:
    data = read_groups(write_rows(shorter_is_better(8)), heldout_percent=0)
    assert (len(data.train), len(data.heldout)) == (6, 2)


def test_without_a_split_the_hash_of_the_prompt_decides(write_rows: Write) -> None:
    rows = [group(prompt=user(str(n))) for n in range(100)]
    data = read_groups(write_rows(rows), heldout_percent=30)
    assert 15 < len(data.heldout) < 45
    assert len(data.train) + len(data.heldout) == 100


def test_two_halves_have_no_prompt_in_common_and_none_is_left_out(write_rows: Write) -> None:
    rows = [group(prompt=user(str(n))) for n in range(100)]
    data = read_groups(write_rows(rows), heldout_percent=30)
    halves = [{row.prompt[0]["content"] for row in data.of_half(half).train} for half in (1, 2)]
    assert halves[0] & halves[1] == set()
    assert halves[0] | halves[1] == {row.prompt[0]["content"] for row in data.train}
    assert all(len(half) > 20 for half in halves)
    assert data.of_half(1).heldout == data.heldout
    assert data.of_half(0).train == data.train


def test_unusable_groups_are_counted_by_reason(write_rows: Write) -> None:
    rows = [
        group(),
        group(answers=["a"], rankings=[{"labeler": "one", "ranks": [1]}]),
        group(answers=["  ", "a"]),
        group(rankings=[]),
        group(rankings=[{"labeler": "one", "ranks": [1, 1]}]),
        group(rankings=[{"labeler": "one", "ranks": [2, 2]}, {"labeler": "two", "ranks": [1, 1]}]),
    ]
    data = read_groups(write_rows(rows), heldout_percent=0)
    assert len(data.train) == 1
    assert data.skipped == {
        "only one answer": 1,
        "empty answer": 1,
        "not ranked": 1,
        "only ties": 2,
    }


def test_an_empty_answer_counts_as_the_last_one_where_everybody_ranked_it_so(
    write_rows: Write,
) -> None:
    answers = ["a", " ", "b", ""]
    last = [ranked(ranks=[1, 3, 2, 3]), ranked("two", ranks=[1, 2, 2, 2])]
    preferred = [ranked(ranks=[1, 3, 2, 3]), ranked("two", ranks=[1, 2, 3, 3])]
    ignored = [ranked(ranks=[1, 3, 2, 3]), ranked("two", ranks=[1, 2, 3, 3], weight=0)]
    rows = [group(answers=answers, rankings=each) for each in (last, preferred, ignored)]
    data = read_groups(write_rows(rows), heldout_percent=0)
    assert [row.answers for row in data.train] == [answers, answers]
    assert data.skipped == {"empty answer": 1}


@pytest.mark.parametrize(
    "broken",
    [
        {"rankings": [ranked(ranks=[1, NAN])]},
        {"rankings": [ranked(ratings=[7, NAN])]},
        {"rankings": [ranked(weight=NAN)]},
        {"answers": ["a", NAN]},
    ],
)
def test_a_group_with_nan_is_skipped_and_counted(write_rows: Write, broken: dict[str, Any]) -> None:
    data = read_groups(write_rows([group(split="train"), group(**broken)]), heldout_percent=0)
    assert len(data.train) == 1
    assert data.skipped == {"NaN": 1}


def test_ratings_with_a_gap_count_as_none(write_rows: Write) -> None:
    data = read_groups(write_rows([group(rankings=[ranked(ratings=[6, None])])]), 20)
    [row] = [*data.train, *data.heldout]
    assert row.rankings[0].ratings is None


def test_ratings_and_weights_come_with_a_ranking(write_rows: Write) -> None:
    rows = [group(rankings=[ranked(ratings=[6, 2.5], weight=0.5), ranked("two")])]
    [row] = read_groups(write_rows(rows), heldout_percent=0).train
    assert row.rankings == [
        LabelerRanking("one", [1, 2], [6, 2.5], 0.5),
        LabelerRanking("two", [1, 2], None, 1.0),
    ]


@pytest.mark.parametrize(
    ("sources", "policies"),
    [
        ([{"policy": 3}, {"author": "gpt"}], [3, None]),
        ([{"policy": "three"}, {}], [None, None]),
        ([{"policy": 3}], []),
        ("ours", []),
    ],
)
def test_which_version_wrote_an_answer_is_taken_where_the_row_says_it_well(
    write_rows: Write, sources: Any, policies: list[int | None]
) -> None:
    rows = read_groups(write_rows([group(sources=sources, rankings=[ranked()])]), 10)
    assert [row.policies for row in (*rows.train, *rows.heldout)] == [policies]


def test_a_given_weight_wins_over_the_rankings_own(write_rows: Write) -> None:
    rows = [group(rankings=[ranked(weight=0.5), ranked("two", weight=0.5)])]
    [row] = read_groups(write_rows(rows), 0, labeler_weights={"two": 3}).train
    assert [ranking.weight for ranking in row.rankings] == [0.5, 3.0]


def test_a_weight_for_somebody_who_ranked_nothing_is_told(
    write_rows: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_rows([group()])
    assert len(read_groups(path, 0, labeler_weights={"one": 2, "uno": 3}).train) == 1
    assert caplog.messages == [f"labeler_weights names uno, who ranked nothing in {path}."]


def test_who_was_informed_is_learned_from_and_judges_nothing(write_rows: Write) -> None:
    told = [ranked(), ranked("told", informed=True)]
    rows = [group(rankings=told, split=split) for split in ("train", "heldout")]
    data = read_groups(write_rows([*rows, group(rankings=told[1:], split="heldout")]), 0)
    for read, labelers in ((data.train, ["one", "told"]), (data.heldout, ["one"])):
        assert [ranking.labeler for row in read for ranking in row.rankings] == labelers
    assert data.skipped == {"not ranked": 1}


def test_a_labeler_of_weight_0_does_not_count(write_rows: Write) -> None:
    rows = [group(rankings=[ranked(), ranked("bot")]), group(rankings=[ranked("bot")])]
    data = read_groups(write_rows(rows), 0, labeler_weights={"bot": 0})
    assert [ranking.labeler for ranking in data.train[0].counted] == ["one"]
    assert data.skipped == {"only labelers of weight 0": 1}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (group(prompt=[]), "'prompt' must be a list"),
        (group(prompt=[{"role": "user"}]), "'prompt' must be a list"),
        (group(answers="a"), "'answers' must be a list"),
        (group(answers=[1, 2]), "'answers' must be a list"),
        (group(rankings=None), "'rankings' must be a list"),
        (group(rankings=[{"labeler": "one"}]), "'ranks' must be a list"),
        (group(rankings=[{"labeler": "one", "ranks": [1, 2.5]}]), "'ranks' must be"),
        (group(rankings=[{"labeler": "one", "ranks": [0, 1]}]), "'ranks' must be"),
        (group(rankings=[{"labeler": "one", "ranks": [1, 2, 3]}]), "3 ranks for 2 answers"),
        (group(rankings=["one"]), "'rankings' must be a list"),
        (group(rankings=[ranked(ratings=[7])]), "'ratings' must be 2 numbers from 1 to 7"),
        (group(rankings=[ranked(ratings=[7, 0])]), "'ratings' must be 2 numbers from 1 to 7"),
        (group(rankings=[ranked(weight=-1)]), "'weight' is -1"),
        (group(split="test"), "'split' is 'test'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    write_rows: Write, row: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SnapshotError, match=rf"snapshot.jsonl line 2: .*{sentence}"):
        read_groups(write_rows([group(), row]), heldout_percent=0)


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"id": 1,\n')
    with pytest.raises(SnapshotError, match="line 2: not JSON"):
        read_groups(path, heldout_percent=0)


def test_half_a_character_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a smile \\ud83d\\ude00"}\n{"text": "half of it \\ud83d"}\n')
    with pytest.raises(SnapshotError, match="line 2: holds half a character"):
        list(json_rows(path))


def test_a_missing_snapshot_is_named() -> None:
    with pytest.raises(SnapshotError, match=r"no snapshot at /nowhere\.jsonl"):
        read_prompts(Path("/nowhere.jsonl"), heldout_percent=0)


def test_prompts_are_read_once_each_from_prompts_or_groups(write_rows: Write) -> None:
    rows = [{"id": "1", "prompt": user("Hi")}, group(), group(prompt=user("Ho"), split="heldout")]
    train, heldout = read_prompts(write_rows(rows), heldout_percent=0)
    assert [row.prompt for row in train] == [user("Hi")]
    assert [row.prompt for row in heldout] == [user("Ho")]
