"""How unsure a reward model is of what a policy gained: by the posterior of its head."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rewardmodel.learning import train_policy
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.bootstrap import with_doubt
from rewardmodel.learning.core.snapshot import read_prompts
from rewardmodel.learning.policy.doubt import doubt_of_mean
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import heldout_seeds
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.runs import in_two_processes, result_of, train_a_policy

CPU = torch.device("cpu")


def head_of(scorer: RewardScorer) -> Head:
    assert isinstance(scorer.model, LinearProbe)
    return scorer.model.head


def test_where_all_prompts_change_alike_it_is_the_root_of_d_c_d() -> None:
    covariance = torch.tensor([[4.0, 1.0], [1.0, 9.0]])
    head = Head(Recipe((1,), ("mean",)), torch.ones(2), covariance)
    doubts = head.doubts(torch.tensor([[1.0, -2.0]] * 5)).double().numpy()
    assert doubt_of_mean(doubts) == pytest.approx(6.0)  # of 4 - 4 + 36


def test_what_chance_moves_in_every_prompt_otherwise_is_no_doubt() -> None:
    """The weights are as unsure in a thousand directions; only in one do answers change."""
    changes = np.random.default_rng(0).normal(0, 1, (32, 1000))
    changes[:, 0] += 10
    found, of_mean = doubt_of_mean(changes @ changes.T), np.linalg.norm(changes.mean(0))
    assert 10 < found < 10.5 < of_mean < 12


def test_it_errs_to_the_safe_side_by_one_of_its_errors() -> None:
    generator = np.random.default_rng(1)
    changes = (0.5 * np.eye(50)[0] + generator.normal(0, 1, (16, 50)) for _ in range(500))
    found = [doubt_of_mean(each @ each.T) for each in changes]
    assert 0.75 < np.mean([each > 0.5 for each in found]) < 0.98
    assert np.median(found) < 1.5  # where that of the mean change is above it: sqrt(50 / 16) = 1.8


def test_of_two_prompts_it_is_that_of_their_mean() -> None:
    assert doubt_of_mean(np.array([[4.0, 2.0], [2.0, 8.0]])) == 2.0


def test_it_is_in_the_unit_of_rewards_and_leaves_the_length_out_where_that_is_wanted(
    probe: Path,
) -> None:
    scorer = RewardScorer(str(probe), CPU)
    head = head_of(scorer)
    assert head.recipe.length
    apart = torch.linspace(-1, 1, len(head.weights))
    whole = apart @ head.covariance @ apart / scorer.std**2
    hidden = apart[:-1] @ head.covariance[:-1, :-1] @ apart[:-1] / scorer.std**2
    assert scorer.doubts(apart[None]).item() == pytest.approx(whole.item(), rel=1e-4)
    found = scorer.doubts(apart[None], without_length=True)
    assert found.item() == pytest.approx(hidden.item(), rel=1e-4)


@pytest.fixture(scope="module")
def judged(tiny: Path, probe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that a head taught."""
    output = tmp_path_factory.mktemp("judged") / "policy"
    assert train_a_policy(output, probe.parent / "groups.jsonl", tiny, probe) == 0
    return output


def mean_features(tiny: Path, probe: Path, adapter: Path | None) -> torch.Tensor:
    """Of each held-out prompt's answers, sampled and read anew."""
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
    return torch.stack(means)


def test_a_run_counts_it_in_the_interval_of_its_gain(tiny: Path, probe: Path, judged: Path) -> None:
    metrics, scorer = result_of(judged)["metrics"], RewardScorer(str(probe), CPU)
    before, after = (mean_features(tiny, probe, adapter) for adapter in (None, judged))
    head, apart = head_of(scorer), after - before
    doubt = doubt_of_mean(scorer.doubts(apart).double().numpy())
    assert metrics["gain_deviation"] == pytest.approx(doubt, rel=1e-2)
    gained = metrics["gain"]["judged"] + metrics["gain"]["length"]
    assert gained == pytest.approx(head.scores(apart).mean().item() / scorer.std, abs=1e-3)
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
