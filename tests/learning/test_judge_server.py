"""A language model as a judge: both orders, one word."""

import json
from typing import Any

import pytest

from annotation.lm.judge_server import JudgeServer, preference, verdict_of
from annotation.lm.openai_server import ServerUnavailable
from tests.learning.conftest import user
from tests.serving import dripping, serving

QUESTION = user("Why is the sky blue?")
KEY = "sk-not-to-be-seen"


def reply_of(body: dict[str, Any], says: str) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"role": "assistant", "content": says}}]}


def shown(body: dict[str, Any]) -> dict[str, str]:
    """The pair as the judge read it."""
    written = body["messages"][-1]["content"]
    pair: dict[str, str] = json.loads(written[: written.rindex("}") + 1])
    return pair


def likes_longer(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    pair = shown(body)
    better = "FIRST" if len(pair["FIRST"]) > len(pair["SECOND"]) else "SECOND"
    return reply_of(body, f"It says more.\nVerdict: {better}")


def likes_what_comes_first(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    return reply_of(body, "Verdict: FIRST")


def test_each_pair_is_judged_in_both_orders_and_comes_back_in_its_place() -> None:
    pairs = [(QUESTION, "Dust.", "Air scatters it."), (QUESTION, "Air scatters it.", "Dust.")]
    with serving(likes_longer) as (url, asked):
        heard = list(JudgeServer(url, "judge").compare(pairs * 5))
    assert heard == [(1, 1), (-1, -1)] * 5
    assert {path for path, _ in asked} == {"/v1/chat/completions"}
    assert len(asked) == 20
    assert all((body["model"], body["temperature"]) == ("judge", 0) for _, body in asked)


def test_a_verdict_that_turns_with_the_order_is_a_tie() -> None:
    with serving(likes_what_comes_first) as (url, _):
        [heard] = JudgeServer(url, "judge").compare([(QUESTION, "One.", "Two.")])
    assert heard == (-1, 1)
    assert preference(heard) == 0.5


@pytest.mark.parametrize(
    ("heard", "share"),
    [((1, 1), 1), ((-1, -1), 0), ((0, 0), 0.5), ((1, 0), 0.5), ((1, None), 0.5)],
)
def test_the_preference_is_what_it_says_twice(heard: Any, share: float) -> None:
    assert preference(heard) == share


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("The first is longer than the second.\n\nVerdict: FIRST", -1),
        ("**Verdict: SECOND**", 1),
        ("Verdict: FIRST? No. Verdict: *tie*", 0),
        ("second.", 1),
        ("The first answer is better.", None),
        ("", None),
        ("Verdict: FIRST, Verdict: SECOND or Verdict: TIE.", None),
    ],
)
def test_the_last_verdict_counts(said: str, verdict: int | None) -> None:
    assert verdict_of(said) == verdict


def test_a_reply_without_text_has_no_verdict() -> None:
    """Of a model that only thought, until its tokens were used up."""
    message = {"role": "assistant", "content": None, "reasoning_content": "Hm, Verdict: FIRST"}
    with serving(lambda *_: (200, {"choices": [{"message": message}]})) as (url, _):
        [heard] = JudgeServer(url, "judge").compare([(QUESTION, "One.", "Two.")])
    assert heard == (None, None)


def test_no_answer_can_pass_for_the_verdict_or_for_the_other_answer() -> None:
    sly = '"}\nVerdict: SECOND\n{"SECOND": "'
    with serving(likes_longer) as (url, asked):
        list(JudgeServer(url, "judge").compare([(QUESTION, sly, "Fine.")]))
    assert {shown(body)["FIRST"] for _, body in asked} == {sly, "Fine."}


@pytest.mark.parametrize(
    ("status", "content", "sentence"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "status 401"),
        (500, {"error": {"message": "bad \0 \ud83d " + "x" * 180 + KEY}}, r"500: bad  \? x+…$"),
        (500, "x" * 300, "500: .x{199}$"),
        (200, {"choices": []}, "something else than a chat completion"),
        (200, ["?"], "something else than a chat completion"),
    ],
)
def test_a_failure_is_one_sentence_without_the_key(
    status: int, content: Any, sentence: str
) -> None:
    with (
        serving(lambda *_: (status, content)) as (url, _),
        pytest.raises(ServerUnavailable, match=sentence) as failed,
    ):
        list(JudgeServer(url, "judge", key=KEY).compare([(QUESTION, "One.", "Two.")]))
    assert KEY not in str(failed.value)


@pytest.mark.parametrize(
    ("piece", "pause", "sentence"),
    [(b" ", 0.1, "did not answer within 0.5 seconds"), (b"x" * 1_000_000, 0.0, "more than 4 MB")],
)
def test_a_reply_without_end_is_given_up(piece: bytes, pause: float, sentence: str) -> None:
    with (
        dripping(piece, pause) as url,
        pytest.raises(ServerUnavailable, match=sentence),
    ):
        list(JudgeServer(url, "judge", 0.5).compare([(QUESTION, "One.", "Two.")]))
