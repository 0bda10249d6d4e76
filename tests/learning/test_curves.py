"""What each stage says of a step, so that there is a curve of it."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from annotation.lm.loading import load_causal_lm
from rewardmodel.learning.core.group_packing import EncodedGroup, pack
from rewardmodel.learning.core.text_packing import TokenLosses, TokenPredictions, conversation
from rewardmodel.learning.core.text_packing import pack as pack_texts
from rewardmodel.learning.policy.experience import Experience, Reading
from rewardmodel.learning.policy.metrics import metrics_of, summarise
from rewardmodel.learning.policy.rollout import Rollout
from tests.learning.conftest import Rows, demonstrations, user
from tests.learning.runs import (
    from_demonstrations,
    from_scratch,
    learn_from_rankings,
    train_a_policy,
    train_reward_model,
)

COST = {"learning_rate", "tokens_per_second", "memory"}


def said_of(output: Path) -> list[dict[str, float]]:
    """What was said of the training, in order."""
    lines = map(json.loads, Path(f"{output}.run", "progress.jsonl").read_text().splitlines())
    return [line["metrics"] for line in lines if line["phase"] == "training"]


def steps_of(output: Path) -> list[dict[str, float]]:
    """What was said of each step that was done."""
    return [metrics for metrics in said_of(output) if "loss" in metrics]


def test_raw_text_has_curves_of_loss_and_accuracy(text: Path, tmp_path: Path) -> None:
    assert from_scratch(tmp_path / "model", text, steps=20) == 0
    steps = steps_of(tmp_path / "model")
    assert all({"loss", "accuracy", *COST} <= step.keys() for step in steps)
    assert 0 <= steps[0]["accuracy"] < steps[-1]["accuracy"] <= 1


def test_a_language_model_says_its_doubt_at_each_evaluation_and_in_its_result(
    text: Path, tmp_path: Path
) -> None:
    output = tmp_path / "model"
    assert from_scratch(output, text, steps=20, evaluations=2) == 0
    said = [m["heldout_entropy"] for m in said_of(output) if "heldout_entropy" in m]
    new = json.loads(Path(f"{output}.run", "result.json").read_text())["metrics"]["new"]
    assert len(said) == 2
    assert 0 < said[1] < said[0]
    assert said[1] == new["next_token_entropy"]


def test_demonstrations_have_curves_of_loss_and_accuracy(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    rows = write_rows(demonstrations())
    fields = {"steps": 30, "learning_rate": 3e-3}
    assert from_demonstrations(tmp_path / "model", rows, tiny, "--full", **fields) == 0
    steps = steps_of(tmp_path / "model")
    assert all({"loss", "accuracy", *COST} <= step.keys() for step in steps)
    assert 0 <= steps[0]["accuracy"] < steps[-1]["accuracy"] <= 1


def test_a_reward_model_has_curves_of_loss_and_accuracy(
    tiny: Path, snapshot: Path, tmp_path: Path
) -> None:
    assert train_reward_model(tmp_path / "model", snapshot, tiny, epochs=4) == 0
    steps = steps_of(tmp_path / "model")
    assert all({"loss", "accuracy", *COST} <= step.keys() for step in steps)
    assert steps[-1]["accuracy"] > 0.8


def test_a_policy_update_has_curves_of_reward_divergence_entropy_length_and_ends(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    assert train_a_policy(tmp_path / "adapter", snapshot, tiny, reward_model, steps=2) == 0
    said = {"loss", "reward", "kl", "entropy", "tokens", "ended", *COST}
    steps = steps_of(tmp_path / "adapter")
    assert all(said <= step.keys() for step in steps)
    vocabulary = load_causal_lm(str(tiny), torch.float32).config.vocab_size
    assert 0 < steps[0]["entropy"] <= 1.1 * math.log(vocabulary)


def test_learning_straight_from_rankings_has_curves_of_loss_and_accuracy(
    tiny: Path, snapshot: Path, tmp_path: Path
) -> None:
    assert learn_from_rankings(tmp_path / "adapter", snapshot, tiny, epochs=8) == 0
    steps = steps_of(tmp_path / "adapter")
    assert all({"loss", "accuracy", *COST} <= step.keys() for step in steps)
    assert steps[0]["accuracy"] == pytest.approx(0.5)  # the policy is its reference yet
    assert steps[-1]["accuracy"] > 0.8


def test_the_entropy_of_a_policy_without_a_preference_is_the_logarithm_of_its_choices() -> None:
    group = EncodedGroup([1, 2], [[5, 6], [7]])
    values = torch.zeros(2)
    rollout = Rollout(user("Hi"), ["", ""], group, values, torch.ones(2), values, values)
    read = Reading(torch.full((3,), -math.log(8)))
    experience = Experience([rollout], pack([group], 0), torch.zeros(3), old=read)
    assert metrics_of(summarise([experience])).entropy == pytest.approx(math.log(8))


@torch.no_grad()
def test_a_hit_is_a_token_than_which_none_was_likelier(tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    ids = torch.tensor([[10, 20, 30, 40]])
    likeliest = int(network(ids[:, :3]).logits[0, -1].argmax())
    other = (likeliest + 1) % network.config.vocab_size
    batch = pack_texts(
        [[*conversation(EncodedGroup([10, 20, 30], [[end]]))] for end in (likeliest, other)]
    )
    losses, hits = TokenPredictions(network)(batch)
    assert hits.tolist() == [True, False]
    assert torch.equal(losses, TokenLosses(network)(batch))
