"""What the policy gate lets serve: what an interval can tell from chance, and still ends."""

from dataclasses import replace

import numpy as np
import pytest

from rewardmodel.learning.core.bootstrap import deciding_interval, interval, more_to_tell
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import word
from rewardmodel.learning.policy.distinctness import distinctness
from rewardmodel.learning.policy.metrics import Changes, PolicyMetrics, gain_of, policy_gate

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


@pytest.mark.usefixtures("fewer_resamples")
def test_of_a_thousand_policies_that_gained_nothing_fewer_than_one_in_twenty_passes() -> None:
    passed = sum(judged(drawn(0.0, seed)) == Code.POLICY_BETTER for seed in range(1000))
    assert passed < 50


@pytest.mark.usefixtures("fewer_resamples")
def test_it_is_so_for_few_prompts_too() -> None:
    codes = [judged(drawn(0.0, seed, prompts=5)) for seed in range(1000)]
    assert codes.count(Code.POLICY_BETTER) < 50


def test_a_gain_that_may_be_chance_is_not_decided_and_says_how_many_prompts_would_tell() -> None:
    changes = Changes(np.array([3.0, -2.0, 2.0, -1.0]), np.zeros(4))
    new = PolicyMetrics(16, reward=0.5, score=0.5, kl=1.0, ended=0.5, tokens=40.0)
    verdict = policy_gate(PARENT, new, changes, kl_budget=10.0).verdict
    assert verdict.code == Code.POLICY_UNDECIDED
    assert verdict.values["more"] == 36


def test_four_prompts_decide_nothing_however_much_was_gained() -> None:
    assert judged(Changes(np.full(4, 1.0), np.zeros(4))) == Code.POLICY_UNDECIDED
    assert judged(Changes(np.full(5, 1.0), np.zeros(5))) == Code.POLICY_BETTER


def test_a_loss_does_not_pass() -> None:
    assert judged(drawn(-1.0, seed=0)) == Code.POLICY_NO_GAIN


def test_a_gain_beyond_the_budget_does_not_pass() -> None:
    assert judged(drawn(1.0, seed=0), kl=11.0) == Code.POLICY_OVER_BUDGET


@pytest.mark.parametrize(
    ("fewer", "code"),
    [
        (0.3, Code.POLICY_FEWER_ENDS),
        (0.12, Code.POLICY_ENDS_UNDECIDED),
        (0.05, Code.POLICY_BETTER),
    ],
)
def test_a_gain_whose_answers_end_no_more_does_not_pass(fewer: float, code: Code) -> None:
    assert judged(drawn(1.0, seed=0, fewer_ends=fewer)) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (0.5, Code.POLICY_BETTER),
        (0.0, Code.POLICY_BETTER),
        (-0.2, Code.POLICY_SECOND_UNDECIDED),
        (-0.8, Code.POLICY_SECOND_WORSE),
    ],
)
def test_a_gain_that_a_second_reward_model_likes_less_does_not_pass(
    change: float, code: Code
) -> None:
    spread = np.linspace(-2, 2, 32)  # of mean 0
    assert judged(replace(drawn(1.0, seed=0), second=spread + change)) == code


@pytest.mark.parametrize(("fall", "most"), [(0.0, 0.6), (0.3, 0.15), (0.6, 0.02)])
def test_a_second_reward_model_that_likes_the_answers_less_seldom_lets_them_pass(
    fall: float, most: float
) -> None:
    generator = np.random.default_rng(2)
    passed = 0
    for _ in range(200):
        changes = replace(drawn(1.0, seed=0), second=generator.normal(-fall, 1.0, 32))
        passed += judged(changes) == Code.POLICY_BETTER
    assert passed <= most * 200


def test_a_fall_that_may_be_chance_says_how_many_prompts_would_tell() -> None:
    second = np.linspace(-2, 2, 32) - 0.2
    new = PolicyMetrics(128, reward=1.0, score=1.0, kl=1.0, ended=0.5, tokens=40.0)
    changes = replace(drawn(1.0, seed=0), second=second)
    verdict = policy_gate(PARENT, new, changes, kl_budget=10.0).verdict
    low, high = deciding_interval(second)
    assert (verdict.values["second_low"], verdict.values["second_high"]) == (low, high)
    assert low < -0.2 < 0 < high
    assert verdict.values["more"] == more_to_tell(32, 0.2, high + 0.2)
    assert "which may be chance" in word(verdict)


def test_a_second_opinion_that_is_no_number_does_not_pass() -> None:
    changes = replace(drawn(1.0, seed=0), second=np.full(32, np.nan))
    assert judged(changes) == Code.POLICY_SECOND_WORSE


def test_an_interval_resamples_whole_prompts() -> None:
    assert interval(np.array([2.0, 2.0, 2.0])) == (2.0, 2.0)
    low, high = interval(np.array([0.0, 3.0]), np.array([1.0, 3.0]))
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("tokens", "spread", "code"),
    [
        (40, 0, Code.POLICY_BETTER),
        (25, 5, Code.POLICY_BETTER),
        (75, 5, Code.POLICY_BETTER),
        (10, 5, Code.POLICY_OTHER_LENGTH),
        (120, 5, Code.POLICY_OTHER_LENGTH),
        (82, 40, Code.POLICY_LENGTH_UNDECIDED),
        (19, 15, Code.POLICY_LENGTH_UNDECIDED),
    ],
)
def test_answers_of_far_other_length_do_not_pass(tokens: int, spread: int, code: Code) -> None:
    both = np.full(32, 40.0), tokens + np.linspace(-spread, spread, 32)
    assert judged(replace(drawn(1.0, seed=0), tokens=both)) == code


@pytest.mark.parametrize(
    ("distinct", "code"),
    [
        (0.8, Code.POLICY_BETTER),
        (0.5, Code.POLICY_BETTER),
        (0.38, Code.POLICY_DISTINCT_UNDECIDED),
        (0.1, Code.POLICY_LESS_DISTINCT),
    ],
)
def test_answers_that_are_far_more_alike_do_not_pass(distinct: float, code: Code) -> None:
    both = np.full(32, 0.8), distinct + np.linspace(-0.1, 0.1, 32)
    assert judged(replace(drawn(1.0, seed=0), distinct=both)) == code


def test_pairs_of_tokens_are_distinct_over_all_prompts() -> None:
    assert distinctness([[[1, 2, 3]], [[4, 5]]]).tolist() == [1.0, 1.0]
    assert distinctness([[[1, 2], [1, 2]], [[1, 2], [3, 4]]]).tolist() == [1 / 3, 2 / 3]
    assert distinctness([[[1]]]).tolist() == [1.0]


def test_less_doubt_and_fewer_missing_ends_are_gains_apart() -> None:
    parent = replace(PARENT, score=0.0, reward=-0.5, for_doubt=0.3)  # 0.2 for missing ends
    new = replace(PARENT, score=1.0, reward=0.85, for_doubt=0.1, of_length=0.25)
    gain = gain_of(parent, new)
    expected = {"reward": 1.35, "judged": 0.75, "length": 0.25, "doubt": 0.2, "ends": 0.15}
    assert gain == pytest.approx(expected)
