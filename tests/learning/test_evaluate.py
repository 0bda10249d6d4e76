import math

import pytest

from rewardmodel.learning.core.gate import Code
from rewardmodel.learning.language.metrics import language_gate, language_metrics, unigram_entropy


def test_unigram_entropy_by_hand() -> None:
    assert unigram_entropy([2, 0, 1, 1]) == pytest.approx(1.5 * math.log(2))
    assert unigram_entropy([7]) == 0


def test_the_gates_by_hand() -> None:
    low, high = language_metrics(20.0, 10), language_metrics(30.0, 10)
    assert (low.loss, low.perplexity) == (2.0, math.exp(2.0))
    assert language_gate(high, low, 1.0).passed
    assert not language_gate(low, low, 9.0).passed
    assert language_gate(None, low, 2.5).passed
    assert not language_gate(None, high, 2.5).passed
    assert language_gate(None, language_metrics(0.0, 0), None).verdict.code == Code.NO_HELDOUT_TEXT
