"""What is measured and is no number fails the run with its name, and passes no gate."""

import math
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.language.metrics import language_gate
from rewardmodel.learning.policy.early_stopping import EarlyStopping
from rewardmodel.learning.policy.metrics import Changes, PolicyMetrics, policy_gate
from rewardmodel.learning.policy.model import AdaptedPolicy
from tests.learning.conftest import Rows, demonstrations, user
from tests.learning.runs import failure_of, from_demonstrations, train_a_policy

NAN = float("nan")
PARENT = PolicyMetrics(8, reward=0.1, score=0.1, kl=0.0, ended=1.0, tokens=5.0)
NEW = replace(PARENT, reward=0.5, kl=1.0)
LOSSES, COUNTS = [20.0] * 8, [10] * 8
CHANGES = Changes(np.full(8, 0.1), np.zeros(8))


def broken(model: Path, folder: Path) -> Path:
    """The model with a weight that is no number."""
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] = NAN
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_gates_pass_what_is_better() -> None:
    assert policy_gate(PARENT, NEW, CHANGES, 20.0).passed
    assert language_gate(LOSSES, [0.5 * loss for loss in LOSSES], COUNTS, None).passed


@pytest.mark.parametrize("value", [NAN, math.inf])
def test_no_gate_passes_what_is_not_finite(value: float) -> None:
    assert not policy_gate(PARENT, replace(NEW, kl=value), CHANGES, 20.0).passed
    assert not policy_gate(
        PARENT, replace(NEW, reward=NAN), Changes(CHANGES.reward * NAN, CHANGES.ended), 20.0
    ).passed
    assert not policy_gate(replace(PARENT, reward=value), NEW, CHANGES, 20.0).passed
    assert not language_gate(LOSSES, [*LOSSES[1:], value], COUNTS, None).passed
    assert not language_gate(None, [*LOSSES[1:], value], COUNTS, 3.0).passed


def test_no_gate_passes_what_reads_like_no_gain() -> None:
    assert not policy_gate(PARENT, replace(NEW, reward=0.10004), CHANGES, 20.0).passed
    assert not language_gate(LOSSES, [loss - 0.0003 for loss in LOSSES], COUNTS, None).passed
    assert not language_gate(None, LOSSES, COUNTS, 2.0001).passed


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
def test_a_result_that_is_not_finite_is_named_and_not_published(
    value: float, tmp_path: Path
) -> None:
    result = {"metrics": {"new": {"kl": value}, "curve": [[1, 0.5]]}, "samples": []}
    with RunFolder(tmp_path / "run") as run:
        with pytest.raises(TrainingFailure, match=r"^metrics\.new\.kl is -?(nan|inf), "):
            run.publish(tmp_path / "model", lambda folder: None, result)
        with pytest.raises(TrainingFailure, match=r"^metrics\.new\.kl is -?(nan|inf), "):
            run.report(result)
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "run/result.json").exists()


def test_a_list_says_which_of_its_numbers_is_not_finite(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path) as run,
        pytest.raises(TrainingFailure, match=r"^samples\.1\.rewards\.0 is nan"),
    ):
        run.report({"metrics": {}, "samples": [{"rewards": [1.0]}, {"rewards": [NAN]}]})


@pytest.mark.parametrize("algorithm", ["rloo", "ppo", "best_of_n"])
def test_a_reward_model_whose_scores_are_no_numbers_fails_the_run(
    algorithm: str, tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output, judge = tmp_path / "adapter", broken(reward_model, tmp_path / "judge")
    assert train_a_policy(output, snapshot, tiny, judge, algorithm=algorithm) == 1
    assert failure_of(output).startswith(f"The reward model at {judge} gives scores that are not")
    assert not output.exists()


def test_a_policy_that_gives_no_numbers_fails_the_run(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output, base = tmp_path / "adapter", broken(tiny, tmp_path / "base")
    assert train_a_policy(output, snapshot, base, reward_model) == 1
    assert failure_of(output) == "The model gives no numbers (NaN): its weights are broken."


@pytest.mark.parametrize("name", ["kl", "reward", "tokens"])
def test_a_step_of_which_something_is_not_finite_goes_no_further(
    name: str, tiny: Path, reward_model: Path
) -> None:
    config = PolicyConfig(
        snapshot="", base_model=str(tiny), output="", reward_model=str(reward_model)
    )
    policy = AdaptedPolicy(config, torch.device("cpu"), [PromptRow("1", user("Hi"), "train")])
    stopping = EarlyStopping(config, Processes(), policy, [], {})
    with pytest.raises(TrainingFailure, match=rf"^step 3\.{name} is nan"):
        stopping.stops(2, PolicyMetrics(**{**asdict(NEW), name: NAN}), {})


def test_a_language_model_that_gives_no_numbers_fails_the_run(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    output, base = tmp_path / "model", broken(tiny, tmp_path / "base")
    assert from_demonstrations(output, write_rows(demonstrations(8)), base) == 1
    assert failure_of(output) == "The model gives no numbers (NaN): its weights are broken."
