"""What each format makes of a ranked group, and what it leaves out."""

import io
import json
import zipfile
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.exchange.reading.folding import Group, Said, fold
from annotation.exchange.shapes.ours import read_group
from annotation.exchange.snapshots.data_card import DataCard
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.narrowing import CONSENSUS, agreement_in, with_consensus
from annotation.exchange.writing.native import judgment_of, judgment_row
from annotation.exchange.writing.snapshot_rows import snapshot_rows
from annotation.exchange.writing.wanted import Wanted
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Judgment

ASKED = [{"role": "user", "content": "How do I boil an egg?"}]
SYSTEM = {"role": "system", "content": "Be brief."}
FULL = Judgment(
    ranks={0: 1, 1: 2, 2: 2},
    comment="Clear.",
    ratings={
        0: AnswerRating(
            7, ("opinion",), ({"start": 0, "end": 4, "label": "well_put", "quote": "Boil"},)
        )
    },
    marks=("ambiguous",),
    none_acceptable=False,
    better=BetterAnswer("Boil it for 7 minutes.", 0, is_first=True),
)


def ranking(labeler: str, *ranks: int, **said: Any) -> dict[str, Any]:
    judgment = Judgment(dict(enumerate(ranks)), **said)
    return {
        "labeler": labeler,
        "revision": 1,
        **judgment_row(judgment),
        "shown_order": list(range(len(ranks))),
        "letters": list("ABCDEFGHI"[: len(ranks)]),
        "given": {},
        "informed": False,
        "seconds": 12.5,
        "ranked_at": "2026-11-26T08:00:00+00:00",
    }


def group(*rankings: dict[str, Any], prompt: list[dict[str, str]] = ASKED) -> dict[str, Any]:
    answers = ["Boil it.", "Fry it.", "Ask a cook."][: len(rankings[0]["ranks"])]
    source = {"policy": 2, "base_model": "m", "sha256": "", "author": "", "seed": 1, "tokens": 3}
    return {
        "schema": "laoshi.groups/1",
        "id": "group-1",
        "prompt_id": "prompt-1",
        "lang": "en",
        "split": "train",
        "tags": ["easy"],
        "prompt": prompt,
        "system_prompt": "",
        "answers": answers,
        "finish_reasons": ["stop"] * len(answers),
        "sources": [{**source, "sampling": {"temperature": 1.0}}] * len(answers),
        "picked": "",
        "seed": 1,
        "answered_at": "2026-11-26T07:00:00+00:00",
        "rankings": list(rankings),
        "skips": [],
        "reports": [],
    }


def made(name: str, row: dict[str, Any]) -> list[Any]:
    return list(FORMATS[name].rows(row))


def file_of(name: str, rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    made_as = FORMATS[name]
    made_as.container.write((made for row in rows for made in made_as.rows(row)), file)
    return file.getvalue()


def test_a_judgment_written_natively_is_the_same_judgment_when_read() -> None:
    assert judgment_of(json.loads(json.dumps(judgment_row(FULL)))) == FULL


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
RATINGS = st.builds(
    AnswerRating,
    st.none() | st.integers(1, 7),
    st.sampled_from([(), ("opinion",)]),
    st.sampled_from([(), ({"start": 0, "end": 4, "label": "well_put", "quote": "Boil"},)]),
)
JUDGMENTS = st.builds(
    Judgment,
    ranks=st.tuples(*[st.integers(1, 3)] * 3).map(lambda ranks: dict(enumerate(ranks))),
    comment=TEXTS,
    ratings=st.dictionaries(st.integers(0, 2), RATINGS),
    marks=st.sampled_from([(), ("ambiguous",)]),
    none_acceptable=st.booleans(),
    better=st.none()
    | st.builds(
        BetterAnswer,
        TEXTS.filter(str.strip).map("Well: {}".format),
        st.none() | st.integers(0, 2),
        st.booleans(),
    ),
    mode=st.sampled_from(["ranking", "thumbs"]),
).map(lambda judgment: judgment.normalised(()))


def judgment_in(said: Said) -> Judgment:
    """Of a group that was read, as the database will hold it."""
    ratings = {
        at: AnswerRating(one["quality"], tuple(one["flags"]), tuple(one["highlights"]))
        for at, one in enumerate(said.ratings)
        if one is not None
    }
    return Judgment(
        dict(enumerate(said.ranks)),
        said.comment,
        ratings,
        tuple(said.marks),
        said.none_acceptable,
        BetterAnswer(**said.better) if said.better else None,
        said.mode,
    ).normalised(())


def read_back(rows: list[dict[str, Any]]) -> Group:
    items = [(at, read_group(json.loads(json.dumps(row)))) for at, row in enumerate(rows)]
    [found], problems = fold(items)
    assert not problems
    return found


@given(
    st.dictionaries(
        st.sampled_from(["labeler-1", "labeler-2", "labeler-12"]), JUDGMENTS, min_size=1
    )
)
def test_judgments_in_a_snapshot_are_the_same_when_they_are_read(
    judged: dict[str, Judgment],
) -> None:
    native = group(ranking("a", 1, 2, 3))
    base = {name: value for name, value in native.items() if name != "rankings"}
    base["sources"] = [{"policy": 2}, {"author": "gpt"}, {}]
    found = read_back([*snapshot_rows(base, judged.items(), dict.fromkeys(judged))])
    assert [answer.text for answer in found.candidates] == base["answers"]
    assert [answer.author for answer in found.candidates] == ["policy 2", "gpt", ""]
    assert {said.labeler: judgment_in(said) for said in found.judgments} == judged


@given(JUDGMENTS)
def test_a_judgment_in_a_native_row_is_the_same_when_it_is_read(judgment: Judgment) -> None:
    row = group({**ranking("a", 1, 2, 3), **judgment_row(judgment)})
    [said] = read_back([row]).judgments
    assert judgment_in(said) == judgment


@pytest.mark.parametrize("better", [None, BetterAnswer("Boil it well.", 1, is_first=True)])
def test_pairs_that_nobody_compared_stay_so_in_a_snapshot(better: BetterAnswer | None) -> None:
    base = {
        name: value for name, value in group(ranking("a", 1, 2, 3)).items() if name != "rankings"
    }
    judgment = Judgment({0: 1, 1: 2, 2: 2}, better=better)
    rows = [*snapshot_rows(base, [("a", judgment)], {"a": [[0, 1], [0, 2]]})]
    [said] = read_back(rows).judgments
    assert said.compared == [(0, 1), (0, 2)]
    assert judgment_in(said) == judgment


@pytest.mark.parametrize("compared", [None, [[0, 1], [0, 2]]])
@pytest.mark.parametrize("better", [None, BetterAnswer("Boil it well.", 1, is_first=True)])
def test_who_was_informed_stays_so_in_a_snapshot(
    better: BetterAnswer | None, compared: list[list[int]] | None
) -> None:
    base = {
        name: value for name, value in group(ranking("a", 1, 2, 3)).items() if name != "rankings"
    }
    judgment = Judgment({0: 1, 1: 2, 2: 2}, better=better)
    rows = [*snapshot_rows(base, [("a", judgment)], {"a": compared}, {"a"})]
    assert all(said["informed"] for row in rows for said in row["rankings"])
    [said] = read_back(rows).judgments
    assert said.given == {"informed": True}


def test_parquet_holds_what_json_lines_hold() -> None:
    row = group(ranking("a", 1, 2, 2, comment="Clear.", better=FULL.better), ranking("b", 3, 2, 1))
    [read] = pyarrow.parquet.read_table(io.BytesIO(file_of("groups_parquet", [row]))).to_pylist()
    for source in read["sources"]:
        source["sampling"] = json.loads(source["sampling"])
    for said in read["rankings"]:
        del said["labelers"]
        said["given"] = json.loads(said["given"])
    assert read == row


@pytest.mark.parametrize("name", ["groups", "argilla", "llamafactory", "groups_parquet"])
def test_no_rows_make_a_file_that_can_be_read(name: str) -> None:
    content = file_of(name, [])
    if name == "llamafactory":
        assert json.loads(zipfile.ZipFile(io.BytesIO(content)).read("laoshi.json")) == []
    elif name == "groups_parquet":
        assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert json.loads(content or b"[]") == []


def test_every_strict_pair_of_every_labeler_is_a_preference_and_no_tie_is() -> None:
    rows = made("trl_preference", group(ranking("a", 1, 2, 2), ranking("b", 2, 1, 3)))
    said = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows]
    assert said == [
        ("Boil it.", "Fry it."),
        ("Boil it.", "Ask a cook."),
        ("Fry it.", "Boil it."),
        ("Boil it.", "Ask a cook."),
        ("Fry it.", "Ask a cook."),
    ]
    assert {row["prompt"][0]["content"] for row in rows} == {"How do I boil an egg?"}


def test_what_a_labeler_wrote_and_placed_first_is_preferred_to_all() -> None:
    rows = made("trl_preference", group(ranking("a", 1, 1, better=FULL.better)))
    assert [row["chosen"][0]["content"] for row in rows] == ["Boil it for 7 minutes."] * 2


def test_the_middle_of_a_ranking_is_neither_good_nor_bad() -> None:
    rows = made("trl_unpaired", group(ranking("a", 1, 2, 3)))
    assert [(row["completion"][0]["content"], row["label"]) for row in rows] == [
        ("Boil it.", True),
        ("Ask a cook.", False),
    ]


def test_hh_rlhf_leaves_out_what_its_markers_would_cut() -> None:
    row = group(ranking("a", 1, 2))
    [pair] = made("hh_rlhf", row)
    assert pair["chosen"] == "\n\nHuman: How do I boil an egg?\n\nAssistant: Boil it."
    row["answers"][0] = "He said:\n\nHuman: no."
    assert made("hh_rlhf", row) == []
    assert made("hh_rlhf", group(ranking("a", 1, 2), prompt=[SYSTEM, *ASKED])) == []


def test_llama_factory_gets_turns_that_it_does_not_skip() -> None:
    [row] = made("llamafactory", group(ranking("a", 1, 2), prompt=[SYSTEM, *ASKED]))
    assert row["system"] == "Be brief."
    assert row["conversations"] == [{"from": "human", "value": "How do I boil an egg?"}]
    assert row["chosen"] == {"from": "gpt", "value": "Boil it."}
    assert made("llamafactory", group(ranking("a", 1, 2), prompt=[*ASKED, *ASKED])) == []
    archive = zipfile.ZipFile(io.BytesIO(file_of("llamafactory", [group(ranking("a", 1, 2))])))
    info = json.loads(archive.read("dataset_info.json"))["laoshi"]
    assert len(json.loads(archive.read(info["file_name"]))) == 1


def test_tools_that_know_no_ties_get_the_strict_orders_alone() -> None:
    row = group(ranking("a", 1, 2, 2), ranking("b", 3, 1, 2))
    [record], [task] = made("argilla", row), made("label_studio", row)
    assert [each["value"] for each in record["responses"]["ranking"]] == [
        ["response-2", "response-3", "response-1"]
    ]
    [prediction] = task["predictions"]
    assert prediction["result"][0]["value"] == {
        "ranker": {"rank": ["answer-2", "answer-3", "answer-1"]}
    }


def test_arena_battles_keep_ties_and_say_where_both_are_bad() -> None:
    row = group(ranking("a", 1, 1), ranking("b", 2, 1), ranking("c", 1, 1, none_acceptable=True))
    battles = made("arena", row)
    assert [each["winner"] for each in battles] == ["tie", "model_b", "tie (bothbad)"]
    assert battles[0]["model_a"] == "policy-2"


def test_an_open_assistant_tree_holds_the_turns_the_consensus_and_the_votes() -> None:
    turns = [*ASKED, {"role": "assistant", "content": "In water."}, *ASKED]
    [tree] = made("open_assistant", group(ranking("a", 2, 1), ranking("b", 2, 1), prompt=turns))
    last = tree["prompt"]["replies"][0]["replies"][0]
    assert [reply["rank"] for reply in last["replies"]] == [1, 0]
    assert [vote["ranking"] for vote in last["events"]["ranking"]] == [[1, 0], [1, 0]]


def test_a_consensus_is_by_mean_places_and_equal_means_tie() -> None:
    [consensus] = with_consensus(group(ranking("a", 1, 2, 3), ranking("b", 2, 1, 3)))["rankings"]
    assert (consensus["labeler"], consensus["ranks"]) == (CONSENSUS, [1, 1, 2])


def test_groups_are_narrowed_by_agreement_and_by_ties() -> None:
    row = group(ranking("a", 1, 2, 3), ranking("b", 1, 3, 2))
    assert agreement_in(row) == pytest.approx(2 / 3)
    assert Wanted(agreement=0.6).of(row) == row
    assert Wanted(agreement=0.7).of(row) is None
    assert Wanted(agreement=0.0).of(group(ranking("a", 1, 2, 3))) is None
    assert Wanted(ties=False).of(group(ranking("a", 1, 1, 2))) is None
    assert Wanted(ties=False, judgments="consensus").of(row) is None


def test_who_was_informed_has_no_part_in_agreement() -> None:
    row = group(ranking("a", 1, 2, 3), {**ranking("b", 1, 2, 3), "informed": True})
    assert agreement_in(row) is None
    card = DataCard()
    card.add(row)
    assert card.as_json()["agreement"] is None


def test_answers_that_a_ranking_leaves_out_are_compared_with_none() -> None:
    partial = ranking("a", 1, 2, 3)
    partial["ranks"] = [2, None, 1]
    more = {"labeler": "a", "ranks": [None, 1, 1]}  # as the rest of a partial order is written
    row = group(partial, more)
    [pair] = made("trl_preference", row)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == (
        "Ask a cook.",
        "Boil it.",
    )
    assert [each["winner"] for each in made("arena", row)] == ["model_b", "tie"]
    assert made("argilla", row) == made("label_studio", row) == made("open_assistant", row) == []
    assert with_consensus(row)["rankings"] == []
    assert agreement_in(row) is None


@pytest.mark.parametrize("name", ["trl_preference", "openai_preference", "openrlhf"])
def test_equal_texts_are_no_pair(name: str) -> None:
    row = group(ranking("a", 1, 2))
    row["answers"] = ["Boil it.", "Boil it."]
    assert made(name, row) == []
