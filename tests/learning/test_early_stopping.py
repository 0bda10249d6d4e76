import pytest
import torch

from rewardmodel.learning.core.gate import word
from rewardmodel.learning.policy.early_stopping import Check, alarm, is_better


def check(
    training: float, rewards: list[float], ended: list[float], step: int = 0, nats: float = 0.0
) -> Check:
    return Check(step, training, torch.tensor(rewards), torch.tensor(ended), nats)


FIRST = check(0.0, [1.0, 0.5, 0.0, 0.2], [1.0, 1.0, 0.75, 0.75])


def test_training_reward_up_and_held_out_reward_down_is_named() -> None:
    now = check(0.8, [0.5, 0.1, -0.5, -0.4], [1.0, 1.0, 0.75, 0.75], step=6)
    reason = alarm(FIRST, now)
    assert reason is not None
    assert word(reason) == (
        "stopped after 6 steps: training reward rose from 0.000 to 0.800 since step 0 "
        "while held-out reward fell from 0.425 to -0.075"
    )


def test_fewer_ends_alone_stop_nothing_since_their_price_rises_then() -> None:
    assert alarm(FIRST, check(0.8, [1.0, 0.5, 0.0, 0.2], [0.5, 0.25, 0.0, 0.25])) is None


@pytest.mark.parametrize(
    ("training", "rewards"),
    [
        (0.8, [1.2, 0.6, 0.1, 0.3]),  # both rise
        (-0.5, [0.5, 0.1, -0.5, -0.4]),  # both fall: bad training, but no hacking
        (0.8, [2.0, -0.4, 0.9, -1.0]),  # a fall within the noise
    ],
)
def test_else_nothing_is_said(training: float, rewards: list[float]) -> None:
    assert alarm(FIRST, check(training, rewards, [1.0, 1.0, 0.75, 0.75])) is None


def test_one_prompt_is_too_few_to_judge_by() -> None:
    assert alarm(check(0, [1.0], [1.0]), check(1, [-9.0], [0.0])) is None


def test_the_better_check_is_worth_more_after_the_price_of_its_divergence() -> None:
    before = check(0.0, [0.0], [0.5])
    near, far = check(0.0, [1.0], [0.5], nats=4.0), check(0.0, [1.2], [0.5], nats=12.0)
    assert is_better(near, before, ended_first=0.5, beta=0.05)
    assert not is_better(far, near, ended_first=0.5, beta=0.05)  # 1.2 - 0.6 against 1 - 0.2
    assert is_better(far, near, ended_first=0.5, beta=0.0)


def test_a_check_whose_answers_end_less_often_than_the_gate_allows_is_never_the_better() -> None:
    before = check(0.0, [0.0, 0.0], [0.5, 0.5])
    assert not is_better(check(0.0, [9.0, 9.0], [0.3, 0.4]), before, ended_first=0.5, beta=0.05)
    assert is_better(check(0.0, [9.0, 9.0], [0.4, 0.5]), before, ended_first=0.5, beta=0.05)
