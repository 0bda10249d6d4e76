"""A row that the chat template refuses is named, whichever stage reads it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.learning.conftest import Rows, demonstrations, shorter_is_better
from tests.learning.runs import (
    failure_of,
    from_demonstrations,
    train_a_policy,
    train_reward_model,
)

Write = Callable[[Rows], Path]
REFUSAL = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
)
SENTENCE = "The chat template refuses this conversation: No system role"


def refusing(model: Path, folder: Path) -> Path:
    """The model with a template that takes no system message."""
    shutil.copytree(model, folder)
    file = folder / "chat_template.jinja"
    file.write_text(REFUSAL + file.read_text())
    return folder


@pytest.fixture
def base(tiny: Path, tmp_path: Path) -> Path:
    return refusing(tiny, tmp_path / "refusing")


@pytest.fixture
def groups(write_rows: Write) -> Path:
    """Of which the third begins with a system message."""
    rows = shorter_is_better(4)
    rows[2]["prompt"] = [{"role": "system", "content": "Be brief."}, *rows[2]["prompt"]]
    return write_rows(rows)


def test_a_demonstration_is_named(base: Path, tmp_path: Path, write_rows: Write) -> None:
    rows, output = demonstrations(4), tmp_path / "model"
    rows[2]["messages"].insert(0, {"role": "system", "content": "Be brief."})
    assert from_demonstrations(output, write_rows(rows), base) == 1
    assert failure_of(output) == f"Demonstration 2: {SENTENCE}"


def test_a_ranked_group_is_named(base: Path, tmp_path: Path, groups: Path) -> None:
    output = tmp_path / "model"
    assert train_reward_model(output, groups, base) == 1
    assert failure_of(output) == f"Group 2: {SENTENCE}"


def test_a_prompt_is_named(base: Path, tmp_path: Path, groups: Path, reward_model: Path) -> None:
    output = tmp_path / "model"
    assert train_a_policy(output, groups, base, reward_model) == 1
    assert failure_of(output) == f"Prompt 2: {SENTENCE}"


def test_a_prompt_that_only_the_reward_model_refuses_is_named_before_training(
    tiny: Path, tmp_path: Path, groups: Path, reward_model: Path
) -> None:
    output, judge = tmp_path / "model", refusing(reward_model, tmp_path / "judge")
    assert train_a_policy(output, groups, tiny, judge) == 1
    assert failure_of(output) == f"Prompt 2: {SENTENCE}"
