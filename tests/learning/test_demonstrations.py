"""Stage 2: following demonstrations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups
from tests.learning.conftest import Rows, demonstrations, user
from tests.learning.runs import failure_of, from_demonstrations, result_of

Write = Callable[[Rows], Path]


@pytest.fixture(scope="module")
def supervised(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on the tiny model that learned to say yes."""
    folder = tmp_path_factory.mktemp("supervised")
    snapshot = folder / "demonstrations.jsonl"
    snapshot.write_text("".join(json.dumps(row) + "\n" for row in demonstrations()))
    assert from_demonstrations(folder / "adapter", snapshot, tiny, steps=40) == 0
    return folder / "adapter"


def test_an_adapter_folder_has_no_model_card_of_blanks(supervised: Path) -> None:
    assert not (supervised / "README.md").exists()


def test_demonstrations_teach_an_adapter_to_answer_and_to_stop(
    tiny: Path, supervised: Path
) -> None:
    model, tokenizer = load_policy(PolicySource(str(tiny), str(supervised)))
    parameters = SamplingParameters(max_new_tokens=8, temperature=0)
    [[answer]] = sample_groups(model, tokenizer, [user("Say 4")], 1, parameters, 0)
    assert (answer.text, answer.finish_reason) == ("yes", "stop")


def test_a_merged_run_leaves_an_ordinary_model(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, rows = tmp_path / "whole", write_rows(demonstrations())
    assert from_demonstrations(output, rows, tiny, "--merge", steps=40) == 0
    model, tokenizer = load_policy(PolicySource(str(output)))
    parameters = SamplingParameters(max_new_tokens=8, temperature=0)
    [[answer]] = sample_groups(model, tokenizer, [user("Say 4")], 1, parameters, 0)
    assert (answer.text, answer.finish_reason) == ("yes", "stop")


def test_held_out_loss_is_taken_before_and_after(supervised: Path) -> None:
    result = result_of(supervised)
    before, after = result["metrics"]["parent"], result["metrics"]["new"]
    assert before["tokens"] == after["tokens"] == 6 * len("yes.")
    assert after["loss"] < before["loss"]
    gate = result["gate"]
    values = gate.pop("values")
    assert (values["before"], values["after"]) == (before["loss"], after["loss"])
    assert 0 < values["low"] <= values["gain"] <= values["high"]
    assert gate == {
        "passed": True,
        "code": "language_gain",
        "reason": f"Held-out loss went from {before['loss']:.3f} to {after['loss']:.3f} "
        "nats a token.",
    }


def test_the_same_prompts_are_answered_before_and_after(supervised: Path) -> None:
    samples = result_of(supervised)["samples"]
    assert len(samples) == 6
    assert all(sample["before"] != sample["after"] for sample in samples)


def test_a_parent_may_have_an_adapter(
    tiny: Path, supervised: Path, tmp_path: Path, write_rows: Write
) -> None:
    child = tmp_path / "child"
    rows = write_rows(demonstrations())
    assert from_demonstrations(child, rows, tiny, adapter=supervised, steps=1) == 0
    after = result_of(supervised)["metrics"]["new"]["loss"]
    assert result_of(child)["metrics"]["parent"]["loss"] == pytest.approx(after, rel=1e-3)


def test_over_long_conversations_lose_their_start_and_are_counted(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = demonstrations(8)
    rows[1]["messages"][0]["content"] = "long " * 200
    output = tmp_path / "short"
    assert from_demonstrations(output, write_rows(rows), tiny, block_tokens=64, steps=1) == 0
    assert result_of(output)["metrics"]["shortened"] == 1


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (user("alone"), "line 2: 'messages' must be a list of two or more"),
        ([*user("a"), *user("b")], "line 2: the last message must be the assistant's"),
        ([{"role": "user"}, {"role": "assistant", "content": "b"}], "line 2: 'prompt' must be"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    messages: list[Any], sentence: str, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = [demonstrations(1)[0], {"id": "bad", "messages": messages}]
    output = tmp_path / "none"
    assert from_demonstrations(output, write_rows(rows), tiny) == 1
    assert sentence in failure_of(output)


def test_empty_answers_are_skipped_and_counted(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = demonstrations(8)
    rows[1]["messages"][1]["content"] = " "
    output = tmp_path / "skipped"
    assert from_demonstrations(output, write_rows(rows), tiny, steps=1) == 0
    assert result_of(output)["metrics"]["skipped"] == {"empty answer": 1}
