"""What the policy gate lets serve: what an interval can tell from chance, and still ends."""

from dataclasses import replace

import numpy as np
import pytest

from rewardmodel.learning.core.bootstrap import interval
from rewardmodel.learning.core.gate import Code
from rewardmodel.learning.policy.metrics import Changes, PolicyMetrics, policy_gate

PARENT = PolicyMetrics(128, reward=0.0, score=0.0, kl=0.0, ended=0.5, tokens=40.0)


def judged(changes: Changes, kl: float = 2.0) -> Code:
    reward, ended = float(changes.reward.mean()), 0.5 + float(changes.ended.mean())
    new = PolicyMetrics(128, reward=reward, score=reward, kl=kl, ended=ended, tokens=40.0)
    return policy_gate(PARENT, new, changes, kl_budget=10.0).verdict.code


def drawn(gain: float, seed: int, prompts: int = 32, fewer_ends: float = 0.0) -> Changes:
    generator = np.random.default_rng(seed)
    ended = generator.normal(-fewer_ends, 0.1, prompts)
    return Changes(generator.normal(gain, 1.0, prompts), ended)


def test_a_clear_gain_passes() -> None:
    assert judged(drawn(1.0, seed=0)) == Code.POLICY_BETTER


def test_of_a_thousand_policies_that_gained_nothing_fewer_than_one_in_twenty_passes() -> None:
    passed = sum(judged(drawn(0.0, seed)) == Code.POLICY_BETTER for seed in range(1000))
    assert passed < 50


def test_a_gain_that_may_be_chance_is_not_decided_and_says_how_many_prompts_would_tell() -> None:
    changes = Changes(np.array([3.0, -2.0, 2.0, -1.0]), np.zeros(4))
    new = PolicyMetrics(16, reward=0.5, score=0.5, kl=1.0, ended=0.5, tokens=40.0)
    verdict = policy_gate(PARENT, new, changes, kl_budget=10.0).verdict
    assert verdict.code == Code.POLICY_UNDECIDED
    error = 1.96 * np.std([3, -2, 2, -1], ddof=1) / 0.5
    assert verdict.values["more"] == min(int(np.ceil(error**2)) - 4, 36)


def test_a_loss_does_not_pass() -> None:
    assert judged(drawn(-1.0, seed=0)) == Code.POLICY_NO_GAIN


def test_a_gain_beyond_the_budget_does_not_pass() -> None:
    assert judged(drawn(1.0, seed=0), kl=11.0) == Code.POLICY_OVER_BUDGET


@pytest.mark.parametrize(
    ("fewer", "code"), [(0.3, Code.POLICY_FEWER_ENDS), (0.05, Code.POLICY_BETTER)]
)
def test_a_gain_whose_answers_end_no_more_does_not_pass(fewer: float, code: Code) -> None:
    assert judged(drawn(1.0, seed=0, fewer_ends=fewer)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [(0.5, Code.POLICY_BETTER), (0.0, Code.POLICY_BETTER), (-0.2, Code.POLICY_SECOND_FELL)],
)
def test_a_gain_that_a_second_reward_model_likes_less_does_not_pass(
    change: float, code: Code
) -> None:
    assert judged(replace(drawn(1.0, seed=0), second=np.full(32, change))) == code


def test_a_second_opinion_that_is_no_number_does_not_pass() -> None:
    changes = replace(drawn(1.0, seed=0), second=np.full(32, np.nan))
    assert judged(changes) == Code.POLICY_SECOND_FELL


def test_an_interval_resamples_whole_prompts() -> None:
    assert interval(np.array([2.0, 2.0, 2.0])) == (2.0, 2.0)
    low, high = interval(np.array([0.0, 3.0]), np.array([1.0, 3.0]))
    assert (low, high) == (0.0, 1.0)
