"""A reward model serves when an interval says that it has learned, and not by luck."""

import math
import random

import jaxtyping
import pytest
import torch

from rewardmodel.learning.core import bootstrap
from rewardmodel.learning.core.bootstrap import deciding_interval
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import word
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.reward.gate import EVIDENCE, evidence_of, reward_gate
from rewardmodel.learning.reward.learning_curve import CHANCE, LossCurve
from tests.learning.conftest import user

Scored = tuple[list[torch.Tensor], list[GroupRow]]


@pytest.fixture
def thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of gates: with fewer resamples, and without a look at the shapes in each of their calls."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 400)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def row(number: int, ranks: list[int]) -> GroupRow:
    answers = [str(rank) for rank in ranks]
    return GroupRow(
        str(number), user(f"Prompt {number}"), "heldout", answers, [LabelerRanking("one", ranks)]
    )


def pairs(count: int, accuracy: float, seed: int, logit: float = 0.0) -> Scored:
    """Pairs of as many prompts, of which a share is ordered as the scores say."""
    generator = random.Random(seed)
    logit = logit or math.log(accuracy / (1 - accuracy))
    scores, rows = [], []
    for number in range(count):
        right = generator.random() < accuracy
        scores.append(torch.tensor([logit, 0.0]))
        rows.append(row(number, [1, 2] if right else [2, 1]))
    return scores, rows


def coins(prompts: int, seed: int, spread: float) -> Scored:
    generator = random.Random(seed)
    scores = [torch.tensor([generator.gauss(0, spread) for _ in range(4)]) for _ in range(prompts)]
    rows = [row(number, generator.sample(range(1, 5), 4)) for number in range(prompts)]
    return scores, rows


@pytest.mark.parametrize(("prompts", "spread"), [(10, 0.05), (20, 0.2), (40, 1.0)])
def test_of_a_thousand_models_that_know_nothing_fewer_than_one_in_twenty_passes(
    prompts: int, spread: float, thousands: None
) -> None:
    passed = sum(reward_gate(*coins(prompts, seed, spread)).passed for seed in range(1000))
    assert passed < 50


def test_a_model_that_is_right_on_65_in_100_of_200_pairs_passes_nine_times_in_ten(
    thousands: None,
) -> None:
    lengths = [(number % 7, number % 5) for number in range(200)]
    found = (reward_gate(*pairs(200, 0.65, seed), lengths=lengths) for seed in range(100))
    assert sum(gate.passed for gate in found) >= 90


def test_one_that_predicts_well_has_learned() -> None:
    gate = reward_gate(*pairs(60, 0.9, 0))
    assert (gate.passed, gate.verdict.code) == (True, Code.REWARD_LEARNED)
    assert word(gate.verdict).startswith("Learned: held-out log loss 0.")


def test_one_that_is_sure_and_wrong_has_not_learned() -> None:
    gate = reward_gate(*pairs(60, 0.2, 0, logit=2.0))
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_NOT_LEARNED)


def test_where_the_interval_holds_chance_more_rankings_are_asked_for() -> None:
    gate = reward_gate(*pairs(20, 0.6, 2), share=0.2)
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_UNDECIDED)
    assert isinstance(more := gate.verdict.values["more"], int)
    assert 5 <= more <= 1000
    assert "Rank about" in word(gate.verdict)


def test_how_many_more_are_asked_for_follows_the_curve_of_what_they_taught() -> None:
    scores, rows = pairs(20, 0.6, 2)
    curve = LossCurve(floor=0.5, slope=1.5, last=100)
    more = reward_gate(scores, rows, share=0.2, curve=curve).verdict.values["more"]
    assert isinstance(more, int)

    def foretold(prompts: int) -> float:
        then = 1 + 0.2 * prompts / 20  # times as many as the 20 held-out prompts, each of one pair
        gained = then * (CHANCE - curve.loss(100 * then)) - (CHANCE - curve.loss(100))
        return float(evidence_of(scores, rows).nats.sum()) + 20 * gained

    assert foretold(more) >= EVIDENCE > foretold(more - 5)


def test_where_the_curve_ends_at_chance_more_rankings_are_not_asked_for() -> None:
    flat = LossCurve(floor=0.7, slope=0.1, last=100)
    gate = reward_gate(*pairs(20, 0.6, 2), share=0.2, curve=flat)
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_NOT_TAUGHT)
    assert "More rankings like these do not seem to teach it" in word(gate.verdict)
    few = reward_gate(*pairs(4, 0.6, 2), share=0.2, curve=flat)
    assert few.verdict.code == Code.REWARD_UNDECIDED
    assert few.verdict.values["more"] == 9 * 4 / 0.2


def test_two_prompts_decide_nothing_however_well_they_are_predicted() -> None:
    gate = reward_gate(*pairs(2, 0.999, 0))
    assert gate.verdict.code == Code.REWARD_UNDECIDED


def test_without_a_pair_there_is_nothing_to_judge_by() -> None:
    assert reward_gate([], []).verdict.code == Code.NO_HELDOUT_PAIRS


def test_one_that_predicts_worse_than_what_serves_does_not_replace_it() -> None:
    scores, rows = pairs(200, 0.9, 0)
    better = [each * 1.0 for each in scores]
    weaker = [each * 0.1 for each in scores]
    gate = reward_gate(weaker, rows, better)
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_WORSE)
    assert reward_gate(better, rows, weaker).passed
    assert reward_gate(better, rows, better).passed


def test_one_that_is_surer_than_right_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 400)
    gate = reward_gate(*pairs(1000, 0.82, 1, logit=3.2))
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_TOO_SURE)
    assert "Learned, but too sure: 96% sure" in word(gate.verdict)


def test_one_that_may_be_too_sure_by_chance_passes() -> None:
    assert reward_gate(*pairs(100, 0.8, 2, logit=2.2)).passed


def by_length(prompts: int, prefer_longer: float) -> tuple[Scored, list[tuple[int, int]]]:
    """Scored by the length alone, as sure of it as people prefer the longer one."""
    return pairs(prompts, prefer_longer, 0), [(20, 10)] * prompts


def test_one_that_knows_only_the_length_is_refused_where_people_hardly_go_by_it(
    thousands: None,
) -> None:
    scored, lengths = by_length(2000, 0.55)
    gate = reward_gate(*scored, lengths=lengths)
    assert (gate.passed, gate.verdict.code) == (False, Code.REWARD_LIKES_LENGTH)
    assert gate.verdict.values["longer"] == 1
    assert gate.verdict.values["people"] == pytest.approx(0.55, abs=0.03)
    assert "it prefers the longer in 100% of cases" in word(gate.verdict)
    assert reward_gate(*scored).passed
    shorter = [(first, second) for second, first in lengths]
    assert reward_gate(*scored, lengths=shorter).verdict.code == Code.REWARD_LIKES_LENGTH


def test_where_people_do_prefer_longer_answers_so_may_the_model() -> None:
    scored, lengths = by_length(200, 0.85)
    assert reward_gate(*scored, lengths=lengths).passed


def test_answers_of_one_length_and_few_prompts_say_nothing_of_it() -> None:
    scored, _lengths = by_length(400, 0.6)
    alike = [(10, 10)] * 396
    assert reward_gate(*scored, lengths=[*alike, *[(20, 10)] * 4]).passed


def told_apart(seed: int, prompts: int) -> bool:
    """Two models that know the same, each with its own errors: whether one is called worse."""
    generator = random.Random(seed)
    rows = [row(number, [1, 2, 3, 4]) for number in range(prompts)]
    ours, served = (
        [
            torch.tensor([place + generator.gauss(0, 1) for place in (3.0, 2.0, 1.0, 0.0)])
            for _ in rows
        ]
        for _ in range(2)
    )
    return reward_gate(ours, rows, served).verdict.code == Code.REWARD_WORSE


@pytest.mark.parametrize("prompts", [5, 10])
def test_of_a_thousand_that_know_as_much_as_what_serves_fewer_than_fifty_are_called_worse(
    prompts: int, thousands: None
) -> None:
    assert sum(told_apart(seed, prompts) for seed in range(1000)) < 50


def test_four_prompts_call_none_worse() -> None:
    rows = [row(number, [1, 2, 3, 4]) for number in range(4)]
    ours = [torch.tensor([6.0, 4.0, 2.0, 0.0]) for _ in rows]
    assert reward_gate(ours, rows, [each * 3 for each in ours]).passed


def test_a_student_that_predicts_worse_than_its_teacher_does_not_stand_for_it() -> None:
    better, rows = pairs(200, 0.9, 0, logit=2.0)
    weaker = [scores * 0.3 for scores in better]
    gate = reward_gate(weaker, rows, teacher=better)
    assert (gate.passed, gate.verdict.code) == (False, Code.STUDENT_WORSE)
    assert "worse than its teacher" in word(gate.verdict)
    assert reward_gate(better, rows, teacher=better).passed


def test_pairs_of_one_prompt_count_as_one_case() -> None:
    scores, rows = pairs(6, 0.9, 0)
    once = evidence_of(scores, rows)
    often = evidence_of(scores * 5, rows * 5)
    assert len(once.pairs) == len(often.pairs) == 6
    alone, together = (deciding_interval(each.losses, each.pairs) for each in (once, often))
    assert alone == pytest.approx(together)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_that_are_not_finite_pass_nothing(value: float) -> None:
    scores, rows = pairs(60, 0.9, 0)
    scores[0] = torch.tensor([value, 0.0])
    assert not reward_gate(scores, rows).passed
