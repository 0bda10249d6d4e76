"""What is reported of held-out groups, by hand on small numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from rewardmodel.learning.core.bootstrap import deciding_interval
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.reward.agreement import (
    HumanCeiling,
    LabelerAccuracy,
    LengthCorrelation,
    accuracy_by_labeler,
    human_ceiling,
    length_correlation,
)
from rewardmodel.learning.reward.calibration import Bin, calibration_error, reliability
from rewardmodel.learning.reward.metrics import preference_metrics
from rewardmodel.learning.reward.preferences import strict_votes
from rewardmodel.learning.reward.report import answers_by_policy, interval_report, samples
from tests.learning.conftest import user


def row(*ranks: list[int], weights: tuple[float, ...] = ()) -> GroupRow:
    """A group that labelers "0", "1", ... ranked."""
    given = weights or (1.0,) * len(ranks)
    rankings = [
        LabelerRanking(str(number), each, weight=weight)
        for number, (each, weight) in enumerate(zip(ranks, given, strict=True))
    ]
    return GroupRow("1", [], "heldout", ["answer"] * len(ranks[0]), rankings)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_ties_stand_apart_from_the_accuracy() -> None:
    scores = torch.tensor([logit(0.8), 0.0, 0.0])
    metrics = preference_metrics([scores], [[[1, 1, 2]]])
    assert (metrics.pairs, metrics.ties) == (2, 1)
    assert metrics.accuracy == 0.75  # one pair right, one at equal scores
    assert metrics.tie_confidence == pytest.approx(0.8)


def test_pairs_fall_into_the_bin_of_the_models_confidence() -> None:
    scores = [torch.tensor([logit(0.72), 0.0]), torch.tensor([0.0, logit(0.74)])]
    votes = [strict_votes([[1, 2], [1, 2], [2, 1]]), strict_votes([[1, 2]])]
    bins = reliability(scores, votes)
    assert len(bins) == 10
    assert [each.pairs for each in bins] == [0, 0, 0, 0, 4, 0, 0, 0, 0, 0]
    assert (bins[4].low, bins[4].high) == (0.7, 0.75)
    assert bins[4].confidence == pytest.approx((3 * 0.72 + 0.74) / 4)
    assert bins[4].accuracy == pytest.approx(2 / 4)


def test_certainty_and_indifference_have_bins_too() -> None:
    bins = reliability([torch.tensor([100.0, 0.0, 0.0])], [strict_votes([[1, 2, 3]])])
    assert (bins[0].pairs, bins[0].accuracy) == (1, 0.5)
    assert (bins[9].pairs, bins[9].accuracy) == (2, 1.0)


def test_the_calibration_error_is_the_mean_gap_of_the_pairs() -> None:
    bins = [
        Bin(0.5, 0.6, 1, 0.55, 0.35),
        Bin(0.6, 0.7, 3, 0.65, 0.75),
        Bin(0.7, 1.0, 0, None, None),
    ]
    assert calibration_error(bins) == pytest.approx((1 * 0.2 + 3 * 0.1) / 4)
    assert calibration_error(reliability([], [])) is None


def test_each_labelers_accuracy_is_their_own() -> None:
    scores = [torch.tensor([2.0, 1.0, 0.0])]
    found = accuracy_by_labeler(scores, [row([1, 2, 3], [3, 2, 1], [1, 1, 1], [2, 1, 1])])
    assert found == [
        LabelerAccuracy("0", 3, 1.0),
        LabelerAccuracy("1", 3, 0.0),
        LabelerAccuracy("3", 2, 0.0),
    ]


def test_the_ceiling_is_how_often_a_labeler_sides_with_most_others() -> None:
    """Labelers 0 and 1 see one of the two others on their side: half; labeler 2 sees none."""
    scores = [torch.tensor([1.0, 0.0])]
    assert human_ceiling(scores, [row([1, 2], [1, 2], [2, 1])]) == HumanCeiling(
        3, (0.5 + 0.5 + 0) / 3, 2 / 3
    )


def test_the_ceiling_leaves_out_what_one_labeler_judged_alone() -> None:
    scores = [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])]
    alone = human_ceiling(scores, [row([1, 2]), row([1, 2], [1, 1])])
    assert alone == HumanCeiling(0, None, None)
    together = human_ceiling(scores, [row([1, 2], [1, 2]), row([2, 1])])
    assert together == HumanCeiling(2, 1.0, 1.0)


def test_a_labeler_of_weight_0_is_no_part_of_the_ceiling() -> None:
    ceiling = human_ceiling([torch.tensor([1.0, 0.0])], [row([1, 2], [2, 1], weights=(1.0, 0.0))])
    assert ceiling.pairs == 0


def test_length_correlates_within_groups_only() -> None:
    """The second prompt's answers are all longer and score less; within each, longer is better."""
    scores = [torch.tensor([0.0, 1.0]), torch.tensor([-9.0, -8.0])]
    found = length_correlation(scores, [[1, 2], [51, 52]], [row([2, 1]), row([1, 2])])
    assert found.model == pytest.approx(1.0)
    assert found.labelers == pytest.approx(0.0)


def test_length_correlation_is_pearsons() -> None:
    found = length_correlation([torch.tensor([1.0, 2.0, 6.0])], [[2, 1, 9]], [row([3, 3, 1])])
    assert found.model == pytest.approx(22 / math.sqrt(14 * 38))


def test_equal_lengths_have_no_correlation() -> None:
    found = length_correlation([torch.tensor([1.0, 2.0])], [[4, 4]], [row([1, 2])])
    assert found == LengthCorrelation(None, None)
    assert length_correlation([], [], []) == LengthCorrelation(None, None)


def test_held_out_rewards_are_told_by_the_version_that_wrote_the_answers() -> None:
    rows = [replace(row([1, 2, 3]), policies=[0, 1, None]), row([1, 2, 3])]
    scores = [torch.tensor([3.0, 5.0, 7.0]), torch.tensor([9.0, 9.0, 9.0])]
    assert answers_by_policy(rows, scores, mean=1.0, std=2.0) == {"0": [1.0], "1": [2.0]}


def heldout(right: int, wrong: int, sure: float = 1.0) -> tuple[list[Tensor], list[GroupRow]]:
    """So many prompts of one pair each that the scores order as people do, or not."""
    scores = [torch.tensor([sure, 0.0])] * right + [torch.tensor([0.0, sure])] * wrong
    rows = [replace(row([1, 2]), prompt=user(str(number))) for number in range(right + wrong)]
    return scores, rows


def test_held_out_figures_have_the_interval_by_which_gates_decide() -> None:
    scores, rows = heldout(15, 5)
    found = interval_report(scores, rows)["intervals"]
    low, high = deciding_interval(np.array([1.0] * 15 + [0.0] * 5))
    assert found["accuracy"] == pytest.approx([low, min(high, 1.0)])
    loss = (15 * math.log1p(math.exp(-1)) + 5 * math.log1p(math.exp(1))) / 20
    assert found["log_loss"][0] < loss < found["log_loss"][1]


def test_beside_what_served_stand_its_figures_and_the_intervals_of_the_changes() -> None:
    scores, rows = heldout(18, 2)
    before = [torch.zeros(2)] * 20
    found = interval_report(scores, rows, before)
    assert found["served"]["accuracy"] == 0.5
    assert found["served"]["log_loss"] == pytest.approx(math.log(2))
    low, high = found["changes"]["accuracy"]
    assert low < 0.9 - 0.5 < high
    assert found["changes"]["log_loss"][0] < 0


def test_against_itself_nothing_changed() -> None:
    scores, rows = heldout(12, 8)
    changes = interval_report(scores, rows, scores)["changes"]
    assert changes == {"log_loss": [0.0, 0.0], "accuracy": [0.0, 0.0]}


def test_one_prompt_has_no_interval() -> None:
    assert interval_report(*heldout(1, 0)) == {}


def test_samples_are_those_that_changed_most_with_both_rewards() -> None:
    rows = [replace(row([1, 2]), prompt=user(str(number))) for number in range(7)]
    now = [[0.1 * number, 0.0] for number in range(7)]
    found = samples(rows, now, [[0.0, 0.0]] * 7)
    assert [sample["prompt"] for sample in found] == [user(str(n)) for n in (6, 5, 4, 3, 2)]
    assert found[0]["rewards_before"] == [0.0, 0.0]
