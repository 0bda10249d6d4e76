"""Rollouts from a server: a small one speaks the protocol here and answers with the tiny model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotation.lm.chat import Chat
from annotation.lm.loading import load_tokenizer
from annotation.lm.openai_server import ServerUnavailable
from annotation.lm.sampler import SamplingParameters
from annotation.lm.server import RolloutServer
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import failure_of, result_of, train_a_policy, train_reward_model
from tests.serving import Reply, serving

PARAMETERS = SamplingParameters(max_new_tokens=8)


@pytest.fixture
def chat(tiny: Path) -> Chat:
    return Chat(load_tokenizer(str(tiny)))


def says(text: str, finish: str = "stop", **more: Any) -> Reply:
    return lambda path, body: (200, {"choices": [{"text": text, "finish_reason": finish, **more}]})


def ask(url: str, chat: Chat, timeout: float = 10.0) -> Any:
    server = RolloutServer(url, "base", timeout)
    return server.sample(chat, [user("Hi")], [[1, 2]], PARAMETERS, [chat.end_of_turn])[0]


def test_each_answer_is_asked_for_by_tokens_and_seed(chat: Chat) -> None:
    with serving(says("hi")) as (url, asked):
        first, second = ask(url + "/v1", chat)
    assert {path for path, _ in asked} == {"/v1/completions"}
    assert sorted(body["seed"] for _, body in asked) == [1, 2]
    prompt = chat.prompt_ids(user("Hi"))
    assert all(body["prompt"] == prompt and body["max_tokens"] == 8 for _, body in asked)
    assert all(body["repetition_penalty"] == 1 and body["top_k"] == -1 for _, body in asked)
    assert (first.seed, second.seed) == (1, 2)


def test_the_servers_own_tokens_are_taken(chat: Chat) -> None:
    ids = chat.group_ids(user("Hi"), ["hi"])[1][0]
    with serving(says("hi", token_ids=ids)) as (url, _):
        answer = ask(url, chat)[0]
    assert answer.token_ids == tuple(ids)
    assert (answer.text, answer.finish_reason) == ("hi", "stop")


def test_without_its_tokens_the_text_is_encoded_again(chat: Chat) -> None:
    with serving(says("hi", "length")) as (url, _):
        answer = ask(url, chat)[0]
    assert answer.token_ids == tuple(chat.group_ids(user("Hi"), ["hi"])[1][0][:-1])
    assert answer.finish_reason == "length"


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (lambda *_: (400, {"error": {"message": "no such model"}}), "status 400: no such model"),
        (lambda *_: (500, "oops"), "status 500"),
        (lambda *_: (200, {"choices": []}), "something else than a completion"),
        (lambda *_: (200, ["?"]), "something else than a completion"),
    ],
)
def test_a_failure_is_one_sentence(chat: Chat, reply: Reply, sentence: str) -> None:
    with serving(reply) as (url, _), pytest.raises(ServerUnavailable, match=sentence):
        ask(url, chat)


def test_a_server_that_is_too_slow_is_named(chat: Chat) -> None:
    def slowly(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.5)
        return 200, {}

    with (
        serving(slowly) as (url, _),
        pytest.raises(ServerUnavailable, match="did not answer within"),
    ):
        ask(url, chat, timeout=0.1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://127.0.0.1:99999", "nonsense"])
def test_a_server_that_is_not_there_is_named(chat: Chat, url: str) -> None:
    with pytest.raises(ServerUnavailable, match=url):
        ask(url, chat)


def test_a_run_samples_each_step_from_the_server_with_its_newest_adapter(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    snapshot, reward_model = write_rows(shorter_is_better(8)), tmp_path / "reward"
    assert train_reward_model(reward_model, snapshot, tiny, minimum_steps=2) == 0
    adapters: list[bytes] = []

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/load_lora_adapter":
            adapters.append(Path(body["lora_path"], "adapter_model.safetensors").read_bytes())
        text = "a" * (1 + body.get("seed", 0) % 7)
        return 200, {"choices": [{"text": text, "finish_reason": "stop"}]}

    output = tmp_path / "adapter"
    with serving(reply) as (url, asked):
        settings = {"rollout_server": url, "steps": 2}
        assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    samples = result_of(output)["samples"]
    assert all(set(sample["after"]) == {"a"} for sample in samples)
    assert len(adapters) == 4  # two steps, the parent, the new policy
    assert adapters[0] != adapters[1]
    models = {body["model"] for path, body in asked if path == "/v1/completions"}
    assert models == {body["lora_name"] for path, body in asked if "unload" in path}


def test_a_run_fails_with_the_servers_reason(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    snapshot, reward_model = write_rows(shorter_is_better(8)), tmp_path / "reward"
    assert train_reward_model(reward_model, snapshot, tiny, minimum_steps=2) == 0
    output = tmp_path / "adapter"
    settings = {"rollout_server": "http://127.0.0.1:9"}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 1
    assert "model server at http://127.0.0.1:9 cannot be reached" in failure_of(output)
