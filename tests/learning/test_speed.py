import time

import pytest
import torch

from rewardmodel.learning.core.speed import Pace, memory_in_use


def test_tokens_are_counted_from_one_step_to_the_next() -> None:
    pace = Pace()
    time.sleep(0.1)
    first = pace.step(10)["tokens_per_second"]
    time.sleep(0.2)
    second = pace.step(10)["tokens_per_second"]
    assert first == pytest.approx(100, rel=0.3)
    assert second == pytest.approx(50, rel=0.3)


def test_the_memory_of_a_process_grows_with_what_it_holds() -> None:
    cpu = torch.device("cpu")
    before = memory_in_use(cpu)
    held = torch.ones(25_000_000)
    assert memory_in_use(cpu) - before > 0.8 * 4 * held.numel()
