"""Two processes that train in shares, looked at from inside."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.tensor import DTensor
from torch.multiprocessing.spawn import spawn

from annotation.exchange.files import read_json, write_json
from annotation.lm.loading import load_causal_lm
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.text_packing import TokenLosses, conversation, pack
from rewardmodel.learning.core.trainer import Trainer

BATCHES = [
    pack([conversation(EncodedGroup([5, 6], [answer]))]) for answer in ([7, 2], [8, 9, 2], [4, 2])
]


@pytest.fixture(scope="module")
def seen(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("shares")
    port = str(29_700 + os.getpid() % 2_000)
    spawn(_process, (port, str(tiny), folder), nprocs=2)  # type: ignore[no-untyped-call]
    return read_json(folder / "seen.json")


def test_a_process_holds_half_of_what_is_trained(seen: dict[str, Any]) -> None:
    assert seen["share"] == pytest.approx(seen["all"] / 2, rel=0.01)
    assert seen["optimizer share"] == pytest.approx(seen["all"], rel=0.01)  # two states a weight


def test_the_whole_weights_follow_an_update(seen: dict[str, Any]) -> None:
    assert seen["moved"]
    assert seen["followed"]


def test_a_resumed_training_in_shares_takes_the_steps_of_one_that_went_on(
    seen: dict[str, Any],
) -> None:
    assert seen["resumed at"] == 1
    assert seen["same as resumed"]


def test_weights_that_are_put_back_are_what_is_trained_on(seen: dict[str, Any]) -> None:
    assert seen["put back"]


def _process(rank: int, port: str, tiny: str, folder: Path) -> None:
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ.update(ranks, MASTER_ADDR="127.0.0.1", MASTER_PORT=port, ACCELERATE_USE_FSDP="true")
    torch.set_num_threads(1)
    seen = _look(tiny, Processes(), folder)
    if rank == 0:
        write_json(folder / "seen.json", seen)
    gc.collect()  # what still holds a group when the process ends may abort it
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _look(tiny: str, processes: Processes, folder: Path) -> dict[str, Any]:
    trainer = _learner(tiny, processes)
    shares = [p for p in trainer.parameters.values() if isinstance(p, DTensor)]
    before = trainer.weights()
    _step(trainer, 0)
    trainer.save(folder / "checkpoints", 1)
    states = [trainer.optimizer.state[p]["exp_avg"].to_local().numel() for p in shares]
    after = trainer.weights()
    seen = {
        "all": sum(p.numel() for p in trainer.whole.values()),
        "share": sum(p.to_local().numel() for p in shares),
        "optimizer share": 2 * sum(states),
        "moved": not _equal(before, after),
        "followed": _equal(after, _gathered(trainer)),
    }
    resumed = _learner(tiny, processes)
    seen["resumed at"], _ = resumed.resume(folder / "checkpoints")
    _step(trainer, 1)
    _step(resumed, 1)
    seen["same as resumed"] = _equal(trainer.weights(), resumed.weights())
    trainer.set_weights(before)
    seen["put back"] = _equal(before, _gathered(trainer))
    return seen


def _learner(tiny: str, processes: Processes) -> Trainer:
    config = LanguageConfig(snapshot="", output="", checkpoint_every=1)
    network = load_causal_lm(tiny, torch.float32).requires_grad_(True)
    return Trainer(processes, TokenLosses(network), config, 0.01, 2)


def _step(trainer: Trainer, step: int) -> None:
    for batch in trainer.passes(trainer.shard(BATCHES, "examples_per_step")):
        trainer.backward(trainer.module(batch).sum())
    trainer.step(step)


def _gathered(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {n: p.full_tensor() for n, p in trainer.parameters.items() if isinstance(p, DTensor)}


def _equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(t, theirs[n]) for n, t in ours.items())
