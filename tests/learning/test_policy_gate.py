"""What the policy gate lets serve: what an interval can tell from chance, and still ends."""

from dataclasses import replace

import numpy as np
import pytest

from rewardmodel.learning.core.bootstrap import (
    deciding_interval,
    interval,
    more_to_tell,
    with_doubt,
)
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import word
from rewardmodel.learning.policy.distinctness import distinctness
from rewardmodel.learning.policy.doubt import doubt_of_mean
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
    ("doubt", "code"),
    [(None, Code.POLICY_BETTER), (0.3, Code.POLICY_BETTER), (1.2, Code.POLICY_DOUBTED)],
)
def test_a_gain_that_the_prompts_call_sure_and_the_reward_model_does_not_is_not_decided(
    doubt: float | None, code: Code
) -> None:
    assert judged(replace(drawn(1.0, seed=0), doubt=doubt)) == code


SLIGHT = Changes(np.linspace(-2, 2, 32) + 0.3, np.zeros(32))


def test_no_number_of_prompts_settles_what_the_reward_model_is_not_sure_of() -> None:
    assert judged(SLIGHT) == Code.POLICY_UNDECIDED
    assert judged(replace(SLIGHT, doubt=0.35)) == Code.POLICY_DOUBTED


def test_where_doubt_leaves_room_more_prompts_would_tell_than_without_it() -> None:
    new = PolicyMetrics(128, reward=0.3, score=0.3, kl=1.0, ended=0.5, tokens=40.0)
    verdict = policy_gate(PARENT, new, replace(SLIGHT, doubt=0.15), kl_budget=10.0).verdict
    reach, room = 0.3 - deciding_interval(SLIGHT.reward)[0], (0.3**2 - 0.15**2) ** 0.5
    assert verdict.code == Code.POLICY_UNDECIDED
    assert verdict.values["more"] == more_to_tell(32, room, reach)
    assert verdict.values["more"] > more_to_tell(32, 0.3, reach)


def test_the_verdict_says_how_unsure_the_reward_model_is_and_what_would_tell() -> None:
    changes = replace(drawn(1.0, seed=0), doubt=1.2)
    new = PolicyMetrics(128, reward=1.0, score=1.0, kl=1.0, ended=0.5, tokens=40.0)
    verdict = policy_gate(PARENT, new, changes, kl_budget=10.0).verdict
    assert verdict.values["doubt"] == 1.2
    assert (verdict.values["low"], verdict.values["high"]) == changes.interval
    assert "a deviation of 1.200. More rankings would tell." in word(verdict)


def test_a_reward_model_without_a_posterior_leaves_the_interval_of_the_prompts() -> None:
    changes = drawn(1.0, seed=0)
    assert changes.interval == deciding_interval(changes.reward)


@pytest.mark.parametrize("doubt", [None, 0.5, np.nan])
def test_a_gain_that_is_no_number_is_not_decided_and_is_worded(doubt: float | None) -> None:
    changes = Changes(np.full(32, np.nan), np.zeros(32), doubt=doubt)
    new = PolicyMetrics(128, reward=1.0, score=1.0, kl=1.0, ended=0.5, tokens=40.0)
    verdict = policy_gate(PARENT, new, changes, kl_budget=10.0).verdict
    assert verdict.code == Code.POLICY_UNDECIDED
    assert "Not decided yet" in word(verdict)


def test_the_variances_of_prompts_and_of_weights_add_on_each_side() -> None:
    low, high = with_doubt(1.0, (1.0 - 0.6, 1.0 + 0.3), 0.4)
    assert low == pytest.approx(1 - (0.6**2 + 0.4**2) ** 0.5)
    assert high == pytest.approx(1 + (0.3**2 + 0.4**2) ** 0.5)


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("doubt", [0.2, 1.0])
def test_of_a_thousand_gains_that_are_the_reward_models_error_one_in_six_may_pass(
    doubt: float,
) -> None:
    errors = np.random.default_rng(1).normal(0, doubt, 1000)
    every = [drawn(error, seed) for seed, error in enumerate(errors)]
    trusted = [judged(changes) for changes in every].count(Code.POLICY_BETTER)
    doubted = [judged(replace(changes, doubt=doubt)) for changes in every]
    assert doubted.count(Code.POLICY_BETTER) < min(170, trusted)


@pytest.mark.usefixtures("fewer_resamples")
def test_of_policies_that_followed_a_reward_models_error_few_pass() -> None:
    """Each goes where a head of 20 noisy observations sends it, and elsewhere; of those by which
    people gained nothing that head likes most."""
    generator = np.random.default_rng(3)
    worse = passed = trusted = 0
    for seed in range(1000):
        true, asked = generator.normal(size=40), generator.normal(size=(20, 40))
        covariance = np.linalg.inv(asked.T @ asked / 9 + np.eye(40))
        found = covariance @ asked.T @ (asked @ true + generator.normal(0, 3, 20)) / 9
        expected = 0.3 * found + generator.normal(size=40)
        moved = expected + generator.normal(0, 0.5, (32, 40))
        if expected @ true > 0:
            continue
        changes = replace(drawn(0, seed), reward=moved @ found)
        doubted = replace(changes, doubt=doubt_of_mean(moved @ covariance @ moved.T))
        worse += 1
        trusted += judged(changes) == Code.POLICY_BETTER
        passed += judged(doubted) == Code.POLICY_BETTER
    assert trusted > worse / 2 > 100
    assert passed < worse / 8


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
