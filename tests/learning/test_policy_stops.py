"""What stops a policy update early, and what is then kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rewardmodel.learning.policy.metrics import ENDS_MAY_FALL
from rewardmodel.learning.reward.scorer import Judged, RewardScorer
from tests.learning.runs import result_of, train_a_policy


def test_beyond_the_divergence_budget_it_stops_and_says_so(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"kl_budget": 0.5, "steps": 30, "learning_rate": 0.05}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["stopped"]["code"] == "stopped_by_budget"
    assert "at a divergence of" in metrics["stopped"]["reason"]
    lines = Path(f"{output}.run", "progress.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if json.loads(line)["phase"] == "training"]
    assert max(steps) < 30
    assert metrics["steps"] == max(steps)


def test_what_is_kept_of_a_stopped_run_was_within_the_budget(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"kl_budget": 1e-9, "steps": 5, "learning_rate": 0.05}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    assert result_of(output)["metrics"]["new"]["kl"] == pytest.approx(0, abs=1e-4)


@pytest.fixture
def hostile_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks' judge likes what the reward model dislikes, as a judge of hacked answers does."""
    judge = RewardScorer.judge

    def hostile(self: RewardScorer, *given: Any) -> list[Judged]:
        sign = -1 if self.model is not judged[0].model else 1
        return [replace(each, scores=sign * each.scores) for each in judge(self, *given)]

    judged: list[RewardScorer] = []
    load = RewardScorer.__init__

    def remember(self: RewardScorer, *given: Any) -> None:
        load(self, *given)
        judged.append(self)

    monkeypatch.setattr(RewardScorer, "__init__", remember)
    monkeypatch.setattr(RewardScorer, "judge", hostile)


HACKED = {
    **{"steps": 30, "missing_end_penalty": 0, "learning_rate": 0.02, "check_every": 5},
    **{"credit": "answer", "heldout_answers": 16},
}


@pytest.mark.usefixtures("hostile_judge")
def test_reward_hacking_stops_the_run_and_keeps_the_best_weights(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {**HACKED, "heldout_reward_model": reward_model}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    result = result_of(output)
    stopped = result["metrics"]["stopped"]
    assert stopped["code"] == result["gate"]["values"]["stopped"]["code"]
    assert "while held-out reward fell" in stopped["reason"]
    assert stopped["reason"] in result["gate"]["reason"]
    best = max(result["metrics"]["checks"], key=lambda check: check[2])
    assert best[0] == 0
    assert result["metrics"]["new"]["kl"] == pytest.approx(0, abs=1e-4)


@pytest.mark.usefixtures("hostile_judge")
def test_what_stays_of_a_run_that_went_to_its_end_are_the_weights_of_the_best_check(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    """One prompt is too few for an alarm."""
    output = tmp_path / "adapter"
    settings = {**HACKED, "heldout_reward_model": reward_model, "check_prompts": 1}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["stopped"] is None
    assert [check[0] for check in metrics["checks"]] == [0, 5, 10, 15, 20, 25, 30]
    assert (metrics["steps"], metrics["kept_step"]) == (30, 0)
    assert metrics["new"]["kl"] == pytest.approx(0, abs=1e-4)


def test_a_run_that_gets_better_leaves_the_weights_of_its_best_check_that_ends_enough(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {**HACKED, "beta": 0}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    ended_first = metrics["checks"][0][3]
    ending = [check for check in metrics["checks"] if check[3] >= ended_first - ENDS_MAY_FALL]
    best = max(ending, key=lambda check: check[2])
    assert metrics["kept_step"] == best[0] > 0
    assert metrics["new"]["kl"] > 0.1
