"""Stage 1, and the way from raw text through all stages."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from annotation.lm.chat import Chat
from annotation.lm.loading import PolicySource, load_policy
from tests.learning.conftest import Rows
from tests.learning.runs import (
    failure_of,
    from_scratch,
    learn,
    phases_of,
    result_of,
)

Write = Callable[[Rows], Path]


def test_a_model_from_scratch_predicts_better_than_frequencies(scratch: Path) -> None:
    result = result_of(scratch)
    metrics = result["metrics"]
    assert metrics["parent"] is None
    assert metrics["new"]["loss"] < metrics["unigram_entropy"]
    assert metrics["new"]["perplexity"] == pytest.approx(math.exp(metrics["new"]["loss"]))
    assert 0 < metrics["new"]["bits_per_byte"] < 8
    assert metrics["tokens_per_second"] > 0
    assert result["gate"]["passed"]


def test_the_curve_and_the_samples_show_the_way(scratch: Path) -> None:
    result = result_of(scratch)
    steps = [step for step, _ in result["metrics"]["curve"]]
    assert steps == [8, 15, 23, 30]
    assert [sample["step"] for sample in result["samples"]] == steps
    assert all(sample["prompt"] for sample in result["samples"])
    assert phases_of(scratch) == ["loading", "training", "evaluating", "saving"]


def test_a_model_from_scratch_is_an_ordinary_one_with_a_chat_template(scratch: Path) -> None:
    model, tokenizer = load_policy(PolicySource(str(scratch)))
    chat = Chat(tokenizer)
    assert chat.pad != chat.end_of_turn == tokenizer.eos_token_id
    assert tokenizer.decode(tokenizer.encode("猫 and cat")) == "猫 and cat"
    assert isinstance(model, type(AutoModelForCausalLM.from_pretrained(scratch)))
    assert chat.end_of_turn in model.generation_config.eos_token_id


def test_raw_text_continues_a_model(tiny: Path, text: Path, tmp_path: Path) -> None:
    output = tmp_path / "more"
    fields = {"base_model": tiny, "steps": 5, "block_tokens": 64, "learning_rate": 0.003}
    assert learn(output, text, "--full", **fields) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["new"]["loss"] < metrics["parent"]["loss"]
    assert (output / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Give base_model to continue a model, or preset"),
        ({"preset": "nano", "base_model": "x"}, "not both"),
        ({"preset": "huge"}, "There is no preset 'huge'; give one of nano, micro"),
        ({"preset": "nano", "stage": "demonstrations"}, "Demonstrations need a base_model"),
        ({"stage": "talk"}, "stage is 'talk'; give text or demonstrations"),
    ],
)
def test_fields_that_do_not_go_together_are_named(
    fields: dict[str, Any], sentence: str, text: Path, tmp_path: Path
) -> None:
    assert learn(tmp_path / "none", text, **fields) == 1
    assert sentence in failure_of(tmp_path / "none")


def test_empty_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert from_scratch(tmp_path / "none", tmp_path / "empty.txt") == 1
    assert "Nothing to train on" in failure_of(tmp_path / "none")
