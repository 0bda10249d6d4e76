"""A killed run, started again, ends as if nothing had happened; test_launch.py has real kills."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rewardmodel.learning.core.checkpoints import newest_checkpoint
from rewardmodel.learning.core.run_folder import RunFolder
from tests.learning.conftest import Rows, demonstrations
from tests.learning.runs import (
    Killed,
    from_demonstrations,
    from_scratch,
    kill_at,
    learn_from_rankings,
    result_of,
    train_a_policy,
    weights_of,
)

Weights = dict[str, torch.Tensor]


def killed_and_started_again(start: Callable[[Path], int], output: Path, at: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(at, patch)
        with pytest.raises(Killed):
            start(output)
    assert not output.exists()
    assert start(output) == 0


def same(first: Weights, second: Weights) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


@pytest.mark.parametrize("stage", ["text", "demonstrations"])
def test_a_language_model_has_the_weights_and_the_journal_of_an_uninterrupted_run(
    stage: str, tiny: Path, text: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    def start(output: Path) -> int:
        fields: dict[str, Any] = {"steps": 6, "checkpoint_every": 2, "evaluations": 2}
        if stage == "text":
            return from_scratch(output, text, **fields)
        return from_demonstrations(output, write_rows(demonstrations()), tiny, **fields)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert start(whole) == 0
    killed_and_started_again(start, resumed, at=5)
    assert same(weights_of(whole), weights_of(resumed))
    first, second = result_of(whole), result_of(resumed)
    assert first["metrics"]["curve"] == second["metrics"]["curve"]
    assert first["samples"] == second["samples"]


@pytest.mark.parametrize("stage", ["text", "demonstrations"])
def test_a_run_goes_on_from_the_journal_of_an_earlier_version(
    stage: str, tiny: Path, text: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    def start() -> int:
        fields: dict[str, Any] = {"steps": 4, "checkpoint_every": 2, "evaluations": 2}
        if stage == "text":
            return from_scratch(tmp_path / "out", text, **fields)
        return from_demonstrations(tmp_path / "out", write_rows(demonstrations()), tiny, **fields)

    with pytest.MonkeyPatch.context() as patch:
        kill_at(3, patch)
        with pytest.raises(Killed):
            start()
    [journal] = tmp_path.rglob("journal.json")
    kept = json.loads(journal.read_text())
    del kept["sums"]
    if kept["parent"]:
        del kept["parent"]["sums"]
    journal.write_text(json.dumps(kept))
    assert start() == 0
    assert [step for step, _ in result_of(tmp_path / "out")["metrics"]["curve"]] == [2, 4]


@pytest.mark.parametrize(
    ("algorithm", "keeps_text"), [("rloo", False), ("rloo", True), ("ppo", False), ("ppo", True)]
)
def test_a_policy_has_all_the_weights_and_checks_of_an_uninterrupted_run(
    algorithm: str,
    keeps_text: bool,
    tiny: Path,
    snapshot: Path,
    reward_model: Path,
    text: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The optimiser's included, and a value function's."""
    monkeypatch.setattr(RunFolder, "drop_checkpoints", lambda run: None)  # they are looked into

    def start(output: Path) -> int:
        fields = {"algorithm": algorithm, "pretraining_text": text if keeps_text else ""}
        often = {"steps": 5, "checkpoint_every": 2, "check_every": 2, "inner_epochs": 2}
        return train_a_policy(output, snapshot, tiny, reward_model, **fields, **often)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert start(whole) == 0
    killed_and_started_again(start, resumed, at=4)
    assert same(weights_of(whole), weights_of(resumed))
    first, second = (newest_checkpoint(Path(f"{o}.run/checkpoints")) for o in (whole, resumed))
    assert first is not None
    assert second is not None
    assert (first.step, second.step) == (5, 5)
    assert same(first.tensors, second.tensors)
    assert any("critic" in name for name in first.tensors) == (algorithm == "ppo")
    assert result_of(whole)["metrics"] == result_of(resumed)["metrics"]
    assert [check[0] for check in result_of(resumed)["metrics"]["checks"]] == [0, 2, 4, 5]


def test_a_policy_straight_from_rankings_has_the_weights_and_figures_of_an_uninterrupted_run(
    tiny: Path, snapshot: Path, tmp_path: Path
) -> None:
    """Killed in its second pass over the groups: the reference is read again for those to come."""

    def start(output: Path) -> int:
        fields = {"epochs": 2, "groups_per_step": 6, "checkpoint_every": 2}
        return learn_from_rankings(output, snapshot, tiny, **fields)

    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert start(whole) == 0
    killed_and_started_again(start, resumed, at=5)
    assert same(weights_of(whole), weights_of(resumed))
    assert result_of(whole)["metrics"] == result_of(resumed)["metrics"]
