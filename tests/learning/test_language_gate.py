"""What the gate of stages 1 and 2 lets serve: a loss that fell by more than chance would."""

import math

import numpy as np
import pytest

from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate
from rewardmodel.learning.language.metrics import (
    language_gate,
    language_metrics,
    sums_of,
    unigram_entropy,
)

TOKENS = [10] * 20


def continued(fall: float, seed: int = 0, examples: int = 20) -> Gate:
    """Each held-out example's loss falls by about so many nats."""
    before = np.full(examples, 30.0)
    after = before - np.random.default_rng(seed).normal(fall, 1.0, examples)
    return language_gate(before.tolist(), after.tolist(), TOKENS[:examples], 2.0)


def from_scratch(*losses: float) -> Gate:
    """Nats a token, where the frequencies alone have 2."""
    return language_gate(None, [10 * loss for loss in losses], [10] * len(losses), 2.0)


@pytest.mark.parametrize(
    ("fall", "code"),
    [
        (3.0, Code.LANGUAGE_GAIN),
        (-3.0, Code.LANGUAGE_NO_GAIN),
        (0.2, Code.LANGUAGE_UNDECIDED),
    ],
)
def test_a_model_that_goes_on_serves_where_its_loss_surely_fell(fall: float, code: Code) -> None:
    gate = continued(fall)
    assert gate.verdict.code == code
    assert gate.passed == (code == Code.LANGUAGE_GAIN)


@pytest.mark.parametrize(
    ("losses", "code"),
    [
        ([1.5, 1.6, 1.4, 1.5, 1.7], Code.LANGUAGE_BELOW_ENTROPY),
        ([2.5, 2.6, 2.4, 2.5, 2.7], Code.LANGUAGE_NOT_BELOW_ENTROPY),
        ([1.0, 2.5, 2.4, 1.5, 2.1], Code.LANGUAGE_ENTROPY_UNDECIDED),
    ],
)
def test_a_model_from_scratch_serves_where_it_surely_knows_more_than_frequencies(
    losses: list[float], code: Code
) -> None:
    gate = from_scratch(*losses)
    assert gate.verdict.code == code
    assert gate.passed == (code == Code.LANGUAGE_BELOW_ENTROPY)


@pytest.mark.usefixtures("fewer_resamples")
@pytest.mark.parametrize("examples", [5, 10, 20])
def test_of_a_thousand_models_that_learned_nothing_fewer_than_one_in_twenty_passes(
    examples: int,
) -> None:
    assert sum(continued(0.0, seed, examples).passed for seed in range(1000)) < 50


def test_four_examples_decide_nothing_and_it_says_how_many_more_would() -> None:
    verdict = continued(3.0, examples=4).verdict
    assert verdict.code == Code.LANGUAGE_UNDECIDED
    assert verdict.values["more"] == 1


def test_without_held_out_text_there_is_nothing_to_judge_by() -> None:
    assert language_gate([], [], [], None).verdict.code == Code.NO_HELDOUT_TEXT


def test_the_loss_is_a_mean_over_tokens_and_the_perplexity_its_exponential() -> None:
    found = language_metrics([5.0, 15.0], 10)
    assert (found.tokens, found.loss, found.perplexity) == (10, 2.0, math.exp(2.0))


def test_unigram_entropy_by_hand() -> None:
    assert unigram_entropy([2, 0, 1, 1]) == pytest.approx(1.5 * math.log(2))
    assert unigram_entropy([7]) == 0


def test_what_was_shown_for_one_prompt_counts_as_one_however_often_it_was_shown() -> None:
    """Prompts differ by chance, and their demonstrations fall together: no model learned."""
    random = np.random.default_rng(1)
    prompts = [prompt for prompt in range(10) for _ in range(6)]
    passed = 0
    for _ in range(300):
        fell = np.repeat(random.normal(0, 10, 10), 6) + random.normal(0, 2, 60)
        after = sums_of(prompts, (300 - fell).tolist())
        passed += language_gate([1800.0] * 10, after, [600] * 10, None).passed
    assert passed < 15


def test_a_unit_without_tokens_is_none_of_the_five_that_decide() -> None:
    before, after, counts = [10.0] * 7, [9.0] * 7, [0, 0, 0, 5, 5, 5, 5]
    assert language_gate(before, after, counts, None).verdict.code == Code.LANGUAGE_UNDECIDED
