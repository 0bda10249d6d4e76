"""How unsure a reward model is of what a policy gained: by the posterior of its head."""

from pathlib import Path

import pytest
import torch

from rewardmodel.learning import train_policy
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.bootstrap import with_doubt
from rewardmodel.learning.core.snapshot import read_prompts
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import heldout_seeds
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.runs import in_two_processes, result_of, train_a_policy

CPU = torch.device("cpu")


def head_of(scorer: RewardScorer) -> Head:
    assert isinstance(scorer.model, LinearProbe)
    return scorer.model.head


def test_it_is_the_root_of_d_c_d() -> None:
    covariance = torch.tensor([[4.0, 1.0], [1.0, 9.0]])
    head = Head(Recipe((1,), ("mean",)), torch.ones(2), covariance)
    found = head.doubt(torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
    assert found.tolist() == [6.0, 1.5]  # of 4 - 4 + 36, and of 9 / 4


def test_it_is_in_the_unit_of_rewards_and_leaves_the_length_out_where_that_is_wanted(
    probe: Path,
) -> None:
    scorer = RewardScorer(str(probe), CPU)
    head = head_of(scorer)
    assert head.recipe.length
    apart = torch.linspace(-1, 1, len(head.weights))
    whole = (apart @ head.covariance @ apart).sqrt() / scorer.std
    hidden = (apart[:-1] @ head.covariance[:-1, :-1] @ apart[:-1]).sqrt() / scorer.std
    assert scorer.doubt(apart) == pytest.approx(whole.item(), rel=1e-5)
    assert scorer.doubt(apart, without_length=True) == pytest.approx(hidden.item(), rel=1e-5)


@pytest.fixture(scope="module")
def judged(tiny: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that a head taught."""
    output = tmp_path_factory.mktemp("judged") / "policy"
    assert train_a_policy(output, probe.parent / "groups.jsonl", tiny, probe) == 0
    return output


def mean_features(tiny: Path, probe: Path, adapter: Path | None) -> torch.Tensor:
    """Of held-out answers, sampled and read anew; each prompt weighs the same."""
    config = PolicyConfig(
        snapshot=str(probe.parent / "groups.jsonl"),
        base_model=str(tiny),
        reward_model=str(probe),
        adapter=str(adapter) if adapter else None,
        output="-",
        max_new_tokens=8,
    )
    rows = read_prompts(Path(config.snapshot), config.heldout_percent)[1]
    rows = rows[: config.heldout_prompts]
    seeds = [heldout_seeds(config, place) for place in range(len(rows))]
    rollouts = AdaptedPolicy(config, CPU, rows).rollouts([row.prompt for row in rows], seeds)
    means = [rollout.features.mean(0) for rollout in rollouts if rollout.features is not None]
    assert len(means) == len(rows)
    return torch.stack(means).mean(0)


def test_a_run_counts_it_in_the_interval_of_its_gain(tiny: Path, probe: Path, judged: Path) -> None:
    metrics, scorer = result_of(judged)["metrics"], RewardScorer(str(probe), CPU)
    before, after = (mean_features(tiny, probe, adapter) for adapter in (None, judged))
    head, apart = head_of(scorer), after - before
    assert metrics["gain_deviation"] == pytest.approx(scorer.doubt(apart), rel=1e-2)
    gained = metrics["gain"]["judged"] + metrics["gain"]["length"]
    assert gained == pytest.approx(float(head.weights @ apart) / scorer.std, abs=1e-3)
    low, high = metrics["gain_over_prompts"]
    widened = with_doubt(metrics["gain"]["reward"], (low, high), metrics["gain_deviation"])
    assert metrics["intervals"]["reward"] == pytest.approx(widened, rel=1e-3)


def test_a_finetuned_reward_model_has_none(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "policy"
    assert train_a_policy(output, snapshot, tiny, reward_model, steps=1) == 0
    result = result_of(output)
    assert not result["metrics"].keys() & {"gain_deviation", "gain_over_prompts"}
    assert "doubt" not in result["gate"]["values"]


def test_two_processes_doubt_as_one_does(
    tiny: Path, probe: Path, judged: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    code = in_two_processes(
        train_policy.__file__,
        kind="multi_gpu",
        **{"snapshot": probe.parent / "groups.jsonl", "base_model": tiny, "reward_model": probe},
        **{"output": two, "learning_rate": 0.01, "max_new_tokens": 8, "steps": 4},
        **{"prompts_per_step": 4, "kl_budget": 1e6},
    )
    assert code == 0
    found, expected = (result_of(each)["metrics"]["gain_deviation"] for each in (two, judged))
    assert found == pytest.approx(expected, rel=0.05)
