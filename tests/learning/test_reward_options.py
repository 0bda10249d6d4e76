"""Stage 3's options, seen in what a run leaves."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from annotation.exchange.files import sha256_of
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.reward.preferences import preference_target
from tests.learning.conftest import Rows, shorter_is_better
from tests.learning.runs import Killed, kill_at, result_of, train_reward_model

Write = Callable[[Rows], Path]
ROOT = Path(__file__).resolve().parents[2]


def config(**fields: object) -> RewardConfig:
    return RewardConfig(snapshot="s", base_model="m", output="o", **fields)  # type: ignore[arg-type]


def with_rankings(*rankings: LabelerRanking) -> GroupRow:
    return GroupRow("1", [], "train", ["a", "b"], list(rankings))


def test_by_default_every_labeler_counts_alike_without_margin_or_smoothing() -> None:
    row = with_rankings(
        LabelerRanking("one", [1, 2], [7, 1]), LabelerRanking("two", [1, 2], [7, 1])
    )
    target = preference_target(row, config(), torch.device("cpu"))
    assert target.shares[0, 1] == 1
    assert not target.margins.any()
    assert target.weight == 1


def test_options_reach_the_target() -> None:
    row = with_rankings(
        LabelerRanking("one", [1, 2], [7, 1], weight=3.0), LabelerRanking("two", [2, 1])
    )
    target = preference_target(
        row, config(label_smoothing=0.2, rating_margin=2.0), torch.device("cpu")
    )
    assert target.shares[0, 1].item() == pytest.approx(0.8 * 0.75 + 0.1)
    assert target.margins[0, 1].item() == pytest.approx(0.75 * 2.0)
    assert target.weight == pytest.approx((9 + 1) / 4)


@pytest.mark.parametrize("weight", [0.25, 2.0])
def test_a_lone_labelers_weight_scales_the_groups_loss(weight: float) -> None:
    cpu = torch.device("cpu")
    full, scaled = (
        preference_target(with_rankings(LabelerRanking("one", [1, 2], weight=w)), config(), cpu)
        for w in (1.0, weight)
    )
    assert torch.equal(scaled.shares, full.shares)
    assert scaled.weight == pytest.approx(weight * full.weight)


def test_the_labeler_who_counts_is_the_one_who_is_believed(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    """A liar ranks every group the other way round; which of the two counts decides."""
    rows = shorter_is_better()
    for row in rows:
        [honest] = row["rankings"]
        row["rankings"] = [honest, {"labeler": "liar", "ranks": [5 - r for r in honest["ranks"]]}]
    output = tmp_path / "model"
    weights = json.dumps({"liar": 0})
    code = train_reward_model(output, write_rows(rows), tiny, labeler_weights=weights)
    assert code == 0
    metrics = result_of(output)["metrics"]
    assert metrics["heldout"]["pairs"] == 36
    accuracy = {each["labeler"]: each["accuracy"] for each in metrics["labelers"]}
    assert accuracy["one"] > 0.75
    assert accuracy["liar"] == pytest.approx(1 - accuracy["one"])


def test_the_result_reports_on_held_out_groups(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = shorter_is_better()
    for row in rows:
        row["rankings"].append({"labeler": "two", "ranks": row["rankings"][0]["ranks"]})
    output = tmp_path / "model"
    assert train_reward_model(output, write_rows(rows), tiny) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["human_ceiling"]["accuracy"] == 1.0
    assert metrics["human_ceiling"]["model"] == metrics["heldout"]["accuracy"]
    assert metrics["length_correlation"]["labelers"] < -0.9
    assert metrics["length_correlation"]["model"] < 0
    assert sum(each["pairs"] for each in metrics["reliability"]) == metrics["heldout"]["pairs"]
    assert 0 <= metrics["heldout"]["calibration_error"] < 0.5
    assert metrics["learning_curve"] == []


def test_a_learning_curve_grows_with_the_data_and_leaves_the_model_as_it_is(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    snapshot = write_rows(shorter_is_better())
    plain, curved = tmp_path / "plain", tmp_path / "curved"
    assert train_reward_model(plain, snapshot, tiny, minimum_steps=8) == 0
    assert train_reward_model(curved, snapshot, tiny, "--learning-curve", minimum_steps=8) == 0
    metrics = result_of(curved)["metrics"]
    assert [point["groups"] for point in metrics["learning_curve"]] == [4, 9, 18]
    assert metrics["learning_curve"][-1]["log_loss"] == metrics["heldout"]["log_loss"]
    assert sha256_of(plain / "model.safetensors") == sha256_of(curved / "model.safetensors")


def test_a_learning_curve_is_the_same_after_a_kill(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    snapshot = write_rows(shorter_is_better(12))
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    settings = {"minimum_steps": 6, "checkpoint_every": 2}
    assert train_reward_model(whole, snapshot, tiny, "--learning-curve", **settings) == 0
    with pytest.MonkeyPatch.context() as patch:
        kill_at(5, patch)
        with pytest.raises(Killed):
            train_reward_model(resumed, snapshot, tiny, "--learning-curve", **settings)
    assert train_reward_model(resumed, snapshot, tiny, "--learning-curve", **settings) == 0
    assert result_of(resumed)["metrics"] == result_of(whole)["metrics"]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    snapshot = write_rows(shorter_is_better(8))
    digests = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train_reward_model(tmp_path / name, snapshot, tiny, minimum_steps=3, seed=seed) == 0
        digests.append(sha256_of(tmp_path / name / "model.safetensors"))
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_two_processes_learn_what_one_learns(tiny: Path, tmp_path: Path, write_rows: Write) -> None:
    """`--multi_gpu` is accelerate's name for several processes, on whatever device there is."""
    snapshot = write_rows(shorter_is_better(15))  # 11 to train on: uneven shares
    fields = {"minimum_steps": 8, "groups_per_step": 5}
    one, two = tmp_path / "one", tmp_path / "two"
    assert train_reward_model(one, snapshot, tiny, **fields) == 0
    flags = {**fields, "snapshot": snapshot, "base_model": tiny, "learning_rate": 0.01}
    flags["method"] = "finetune"
    subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *("--multi_gpu", "--num_processes=2", "--main_process_port=0"),
            str(ROOT / "rewardmodel" / "learning" / "train_reward.py"),
            *(f"--{name.replace('_', '-')}={value}" for name, value in flags.items()),
            f"--output={two}",
        ],
        check=True,
        capture_output=True,
    )
    assert losses(two) == pytest.approx(losses(one), abs=1e-3)
    assert result_of(two)["metrics"]["heldout"]["log_loss"] == pytest.approx(
        result_of(one)["metrics"]["heldout"]["log_loss"], abs=1e-3
    )


def losses(output: Path) -> list[float]:
    """By step; a step's line is said again as a sign of life."""
    lines = map(json.loads, Path(f"{output}.run", "progress.jsonl").read_text().splitlines())
    found = {line["step"]: line["metrics"].get("loss") for line in lines if line["metrics"]}
    return [loss for loss in found.values() if loss is not None]
