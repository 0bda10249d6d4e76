import math

import pytest
import torch

from rewardmodel.learning.policy.losses import (
    best_of_n_divergence,
    clipped_loss,
    clipped_value_loss,
    expected_best,
    generalized_advantages,
    implicit_rewards,
    plackett_luce_loss,
    rloo_advantages,
    sequence_sums,
)
from rewardmodel.learning.reward.losses import listwise_loss, vote_log_loss
from rewardmodel.learning.reward.preferences import (
    preference_shares,
    rating_margins,
    smoothed,
    strict_votes,
    vote_hits,
)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_shares_count_labelers_and_halve_ties() -> None:
    shares = preference_shares([[1, 2, 2], [2, 1, 1], [1, 1, 3]])
    assert shares[0, 1].item() == pytest.approx((1 + 0 + 0.5) / 3)
    assert shares[2, 0].item() == pytest.approx((0 + 1 + 0) / 3)
    assert torch.allclose(shares + shares.T, torch.ones(3, 3))


def test_one_pair_costs_minus_log_sigmoid_of_the_difference() -> None:
    loss = listwise_loss(torch.tensor([1.5, 0.5]), preference_shares([[1, 2]]))
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0)))


def test_a_group_costs_the_mean_of_its_comparisons() -> None:
    loss = listwise_loss(torch.tensor([2.0, 0.0, 1.0]), preference_shares([[1, 3, 2]]))
    expected = -sum(math.log(sigmoid(x)) for x in (2.0, 1.0, 1.0)) / 3
    assert loss.item() == pytest.approx(expected)


def test_a_tie_is_cheapest_at_equal_scores() -> None:
    tie = preference_shares([[1, 1]])
    equal, apart = (listwise_loss(torch.tensor([s, 0.0]), tie).item() for s in (0.0, 1.0))
    assert equal == pytest.approx(math.log(2))
    assert apart > equal


def test_disagreeing_labelers_pull_the_difference_to_their_odds() -> None:
    scores = torch.tensor([math.log(2.0), 0.0], requires_grad=True)
    listwise_loss(scores, preference_shares([[1, 2], [1, 2], [2, 1]])).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert torch.allclose(scores.grad, torch.zeros(2), atol=1e-6)


def test_weights_turn_the_share() -> None:
    shares = preference_shares([[1, 2], [2, 1]], weights=[3.0, 1.0])
    assert shares[0, 1].item() == pytest.approx(0.75)


def test_smoothing_moves_targets_towards_one_half() -> None:
    assert smoothed(torch.tensor([1.0, 0.5, 0.0]), 0.1).tolist() == pytest.approx([0.95, 0.5, 0.05])


def test_a_margin_is_taken_from_the_difference() -> None:
    """-log sigmoid(r_better - r_worse - m), m = 3 * (7 - 3) / 6."""
    margins = rating_margins([[2, 1]], [[3, 7]], largest=3.0)
    scores = torch.tensor([0.5, 1.5])
    loss = listwise_loss(scores, preference_shares([[2, 1]]), margins)
    assert loss.item() == pytest.approx(-math.log(sigmoid(1.0 - 2.0)))


def test_margins_are_the_mean_over_labelers() -> None:
    ranks, ratings = [[1, 2], [1, 2], [2, 1], [1, 2]], [[7, 1], [4, 1], [3, 4], None]
    margins = rating_margins(ranks, ratings, 1.0)
    assert margins[0, 1].item() == pytest.approx((1 + 1 / 2 - 1 / 6 + 0) / 4)
    assert torch.equal(margins, -margins.T)


def test_ties_and_ratings_against_the_ranks_give_no_margin() -> None:
    assert not rating_margins([[1, 1]], [[7, 1]], 1.0).any()
    assert not rating_margins([[1, 2]], [[1, 7]], 1.0).any()


def test_margins_of_0_change_nothing() -> None:
    scores, shares = torch.tensor([2.0, 0.0, 1.0]), preference_shares([[1, 3, 2]])
    margins = rating_margins([[1, 3, 2]], [[7, 1, 4]], 0.0)
    assert torch.equal(listwise_loss(scores, shares, margins), listwise_loss(scores, shares))


def test_votes_leave_ties_out() -> None:
    votes = strict_votes([[1, 2, 2], [1, 2, 3]])
    assert votes.tolist() == [[0, 2, 2], [0, 0, 1], [0, 0, 0]]


def test_equal_scores_are_half_right_and_cost_ln_2_a_vote() -> None:
    votes = strict_votes([[1, 2, 3]])
    assert vote_hits(torch.zeros(3), votes).item() == 1.5
    assert vote_log_loss(torch.zeros(3), votes).item() == pytest.approx(3 * math.log(2))


def test_votes_are_hit_where_scores_agree() -> None:
    votes = strict_votes([[1, 2], [1, 2], [2, 1]])
    assert vote_hits(torch.tensor([1.0, 0.0]), votes).item() == 2


def test_an_advantage_is_the_reward_less_the_mean_of_the_others() -> None:
    advantages = rloo_advantages(torch.tensor([1.0, 2.0, 6.0]))
    assert advantages.tolist() == pytest.approx([1 - 4, 2 - 3.5, 6 - 1.5])


def test_equal_rewards_teach_nothing() -> None:
    assert rloo_advantages(torch.full((4,), 3.0)).tolist() == [0, 0, 0, 0]


def test_tokens_are_summed_by_answer() -> None:
    sums = sequence_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    assert sums.tolist() == [1, 0, 6]


def test_at_the_sampling_policy_the_gradient_is_minus_the_advantage() -> None:
    log_probs = torch.tensor([-3.0, -5.0], requires_grad=True)
    clipped_loss(log_probs, log_probs, torch.tensor([0.5, -2.0]), 0.2).backward()  # type: ignore[no-untyped-call]
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == [-0.5, 2.0]


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "moves"),
    [
        (1.1, 2.0, -2.2, True),
        (1.5, 2.0, -2.4, False),  # already likelier than the clip allows
        (0.5, 2.0, -1.0, True),
        (0.5, -2.0, 1.6, False),  # already less likely than the clip allows
        (1.5, -2.0, 3.0, True),
    ],
)
def test_a_ratio_beyond_the_clip_earns_nothing_more(
    ratio: float, advantage: float, loss: float, moves: bool
) -> None:
    sampled = torch.tensor([-4.0])
    log_probs = (sampled + math.log(ratio)).requires_grad_()
    found = clipped_loss(log_probs, sampled, torch.tensor([advantage]), 0.2)
    found.backward()  # type: ignore[no-untyped-call]
    assert found.item() == pytest.approx(loss)
    assert log_probs.grad is not None
    assert log_probs.grad.item() == pytest.approx(-ratio * advantage if moves else 0)


def test_advantages_of_tokens_by_hand() -> None:
    """Two answers, of two tokens and of one; decay one half."""
    rewards = torch.tensor([0.0, 1.0, 3.0])
    values = torch.tensor([0.5, 0.25, 1.0])
    advantages = generalized_advantages(rewards, values, [2, 1], 0.5)
    assert advantages.tolist() == pytest.approx([-0.25 + 0.5 * 0.75, 0.75, 2.0])


def test_without_decay_an_advantage_is_all_that_follows_less_the_value() -> None:
    rewards, values = torch.tensor([1.0, -2.0, 4.0]), torch.tensor([0.5, 7.0, -1.0])
    advantages = generalized_advantages(rewards, values, [3], 1.0)
    assert advantages.tolist() == pytest.approx([3 - 0.5, 2 - 7, 4 + 1])


@pytest.mark.parametrize(("value", "loss"), [(1.1, 0.405), (1.5, 0.32), (0.5, 1.125)])
def test_a_value_moved_beyond_the_clip_costs_as_at_the_clip(value: float, loss: float) -> None:
    """From 1 towards 2, by at most 0.2."""
    one = torch.tensor([1.0])
    found = clipped_value_loss(torch.tensor([value]), one, torch.tensor([2.0]), 0.2)
    assert found.item() == pytest.approx(loss)


def test_an_implicit_reward_is_beta_a_nat_of_divergence() -> None:
    rewards = implicit_rewards(torch.tensor([-3.0, -8.0]), torch.tensor([-5.0, -7.0]), 0.1)
    assert rewards.tolist() == pytest.approx([0.2, -0.1])


def test_a_rankings_probability_by_hand() -> None:
    """Of 3 answers with exp(r) 4, 2, 1, ranked second, third, first: 2/7 * 4/5."""
    rewards = torch.tensor([4.0, 1.0, 2.0]).log()
    loss = plackett_luce_loss(rewards, torch.tensor([[2.0, 3.0, 1.0]]), torch.ones(1))
    assert loss.item() == pytest.approx(-math.log(2 / 7 * 4 / 5))


def test_tied_answers_are_each_drawn_among_all_of_their_place_and_below() -> None:
    """exp(r) 4 and 2 share the first place before 1: 4/7 * 2/7; 1 and 3 the last: 1/4 * 3/4."""
    rewards = torch.tensor([4.0, 2.0, 1.0]).log()
    loss = plackett_luce_loss(rewards, torch.tensor([[1.0, 1.0, 2.0]]), torch.ones(1))
    assert loss.item() == pytest.approx(-math.log(4 / 7 * 2 / 7))
    rewards = torch.tensor([4.0, 1.0, 3.0]).log()
    loss = plackett_luce_loss(rewards, torch.tensor([[1.0, 2.0, 2.0]]), torch.ones(1))
    assert loss.item() == pytest.approx(-math.log(4 / 8 * 1 / 4 * 3 / 4), rel=1e-5)


def test_a_tie_is_likeliest_at_equal_rewards_in_whole_rankings_too() -> None:
    rewards = torch.tensor([0.7, 0.7, -1.0], requires_grad=True)
    plackett_luce_loss(rewards, torch.tensor([[1.0, 1.0, 2.0]]), torch.ones(1)).backward()  # type: ignore[no-untyped-call]
    assert rewards.grad is not None
    assert rewards.grad[0].item() == pytest.approx(rewards.grad[1].item())
    apart = torch.tensor([1.0, 0.4, -1.0], requires_grad=True)
    plackett_luce_loss(apart, torch.tensor([[1.0, 1.0, 2.0]]), torch.ones(1)).backward()  # type: ignore[no-untyped-call]
    assert apart.grad is not None
    assert apart.grad[0] > apart.grad[1]


def test_of_two_answers_a_ranking_costs_what_its_pair_costs() -> None:
    rewards = torch.tensor([0.3, 1.1])
    loss = plackett_luce_loss(rewards, torch.tensor([[2.0, 1.0]]), torch.ones(1))
    assert loss.item() == pytest.approx(vote_log_loss(rewards, strict_votes([[2, 1]])).item())


def test_a_labeler_counts_by_weight_in_votes_and_in_rankings() -> None:
    ranks, weights = [[1, 2], [2, 1]], [3.0, 0.5]
    assert strict_votes(ranks, weights).tolist() == [[0, 3.0], [0.5, 0]]
    rewards = torch.tensor([1.0, 0.0])
    loss = plackett_luce_loss(rewards, torch.tensor(ranks).float(), torch.tensor(weights))
    by_hand = -3 * math.log(sigmoid(1.0)) - 0.5 * math.log(sigmoid(-1.0))
    assert loss.item() == pytest.approx(by_hand)


def test_the_best_of_n_is_the_mean_over_all_choices() -> None:
    scores = torch.tensor([3.0, 1.0, 2.0])
    assert expected_best(scores, 1) == pytest.approx(2.0)
    assert expected_best(scores, 2) == pytest.approx((3 + 3 + 2) / 3)
    assert expected_best(scores, 3) == pytest.approx(3.0)


def test_the_divergence_of_best_of_n_is_bounded() -> None:
    assert best_of_n_divergence(1) == 0
    assert best_of_n_divergence(4) == pytest.approx(math.log(4) - 0.75)
