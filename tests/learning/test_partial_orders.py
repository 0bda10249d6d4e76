"""Rankings of some of the answers only: nothing is learned of those that nobody compared."""

import json
import math
from pathlib import Path

import pytest
import torch

from rewardmodel.learning.core.snapshot import sort_groups
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking, group_of
from rewardmodel.learning.policy.losses import plackett_luce_loss
from rewardmodel.learning.reward.head import comparisons_of
from rewardmodel.learning.reward.losses import listwise_loss
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.preferences import (
    PreferenceTarget,
    preference_shares,
    ranks_tensor,
    strict_votes,
    tied_votes,
)
from tests.learning.conftest import shorter_is_better
from tests.learning.runs import learn_from_rankings, result_of, train_reward_model

BEST_OF_THREE = [[1, 2, None], [1, None, 2]]


def row(*ranks: list[int | None]) -> GroupRow:
    said = [{"labeler": "one", "ranks": each} for each in ranks]
    value = {"prompt": [{"role": "user", "content": "?"}], "answers": ["a", "b", "c"]}
    return group_of("here", {**value, "rankings": said, "split": "heldout"}, 20)


def test_a_snapshot_may_leave_answers_unranked() -> None:
    assert row([1, 2, None]).rankings == [LabelerRanking("one", [1, 2, None])]


def test_a_ranking_of_one_answer_alone_orders_nothing() -> None:
    value = {"prompt": [{"role": "user", "content": "?"}], "answers": ["a", "b"]}
    rows = [("here", {**value, "rankings": [{"labeler": "one", "ranks": [1, None]}]})]
    assert sort_groups(rows, "here", 20).skipped == {"only ties": 1}


def test_what_nobody_compared_is_neither_a_vote_nor_a_tie() -> None:
    assert strict_votes(BEST_OF_THREE).tolist() == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert tied_votes(BEST_OF_THREE).sum() == 0
    shares = preference_shares(BEST_OF_THREE)
    assert shares[0, 1:].tolist() == [1, 1]
    assert math.isnan(shares[1, 2])


def test_the_share_is_of_those_who_compared_the_two() -> None:
    shares = preference_shares([[1, 2, None], [2, 1, None], [1, 2, 3]])
    assert shares[0, 1] == torch.tensor(2 / 3)
    assert shares[0, 2] == 1


def test_the_loss_is_over_the_comparisons_that_were_made() -> None:
    scores = torch.tensor([1.0, 0.0, -5.0])
    only = listwise_loss(scores[:2], preference_shares([[1, 2]]))
    assert listwise_loss(scores, preference_shares([[1, 2, None]])) == only


def test_the_linear_head_weighs_what_was_not_compared_with_nothing() -> None:
    def weights(*ranks: list[int | None]) -> torch.Tensor:
        shares = preference_shares(list(ranks))
        target = PreferenceTarget(shares, torch.zeros_like(shares), 1.0)
        return comparisons_of([torch.eye(len(shares))], [target]).weights[0]

    assert weights([1, 2, None])[2].sum() == 0
    assert weights([1, 2, None]).sum() / 2 == weights([1, 2]).sum() / 2 == 1
    assert weights(*BEST_OF_THREE).sum() / 2 == 2  # as many as a whole order sets apart
    assert weights([1, 2, 3]).sum() / 2 == 2


def test_a_partial_ranking_is_as_likely_as_one_of_its_answers_alone() -> None:
    rewards, weight = torch.tensor([0.3, -1.0, 2.0], requires_grad=True), torch.ones(1)
    partial = plackett_luce_loss(rewards, ranks_tensor([[1, 2, None]]), weight)
    assert torch.isclose(partial, plackett_luce_loss(rewards[:2], ranks_tensor([[1, 2]]), weight))
    partial.backward()  # type: ignore[no-untyped-call]
    assert rewards.grad is not None
    assert rewards.grad[2] == 0


def test_metrics_count_the_comparisons_that_were_made() -> None:
    found = metrics_of([torch.tensor([2.0, 1.0, 3.0])], [row([1, 2, None], [1, None, 2])])
    assert (found.pairs, found.accuracy, found.ties) == (2, 0.5, 0)


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of each group it is said only that the best answer is better than each other one."""
    rows = shorter_is_better(48)
    for row in rows:
        ranks = row["rankings"][0]["ranks"]
        best, others = ranks.index(1), [at for at, rank in enumerate(ranks) if rank > 1]
        row["rankings"] = [
            {"labeler": "one", "ranks": [{best: 1, other: 2}.get(at) for at in range(4)]}
            for other in others
        ]
    path = tmp_path_factory.mktemp("partial") / "snapshot.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("method", ["probe", "finetune"])
def test_a_reward_model_learns_from_them(
    tiny: Path, partial: Path, tmp_path: Path, method: str
) -> None:
    output = tmp_path / "model"
    fields = {"method": method, "epochs": 6} if method == "finetune" else {"method": method}
    assert train_reward_model(output, partial, tiny, **fields) == 0
    heldout = result_of(output)["metrics"]["heldout"]
    assert heldout["pairs"] == 3 * 12
    assert heldout["accuracy"] > 0.8


@pytest.mark.parametrize("loss", ["pairwise", "listwise"])
def test_a_policy_learns_from_them(tiny: Path, partial: Path, tmp_path: Path, loss: str) -> None:
    output = tmp_path / "adapter"
    fields = {"epochs": 3, "groups_per_step": 6, "preference_loss": loss}
    assert learn_from_rankings(output, partial, tiny, **fields) == 0
    found = result_of(output)["metrics"]["preferences"]
    assert found["new"]["pairs"] == 3 * 12
    assert found["new"]["log_loss"] < found["parent"]["log_loss"]
