from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from annotation.generation.policy import load_causal_lm
from rewardmodel.learning.blocks import TokenLosses, conversation, pack
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.groups import EncodedGroup
from rewardmodel.learning.optimisation import Learner, cosine, new_accelerator
from tests.learning.conftest import Rows, demonstrations
from tests.learning.runs import from_demonstrations, weights_of

Write = Callable[[Rows], Path]


def test_the_learning_rate_rises_then_falls() -> None:
    shares = [cosine(step, 10, 0.1, warmup=0.2) for step in range(11)]
    assert shares[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert shares[6] == pytest.approx(0.55)
    assert shares[10] == pytest.approx(0.1)


def test_gradient_checkpointing_changes_no_weight(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = write_rows(demonstrations())
    plain, saving = tmp_path / "plain", tmp_path / "saving"
    assert from_demonstrations(plain, rows, tiny, steps=2) == 0
    assert from_demonstrations(saving, rows, tiny, "--gradient-checkpointing", steps=2) == 0
    expected, found = weights_of(plain), weights_of(saving)
    assert all(torch.allclose(expected[n], found[n], atol=1e-6) for n in expected)


def test_gradient_checkpointing_computes_layers_again_and_only_in_training(tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    calls: list[bool] = []
    layer = network.get_submodule("model.layers.0.mlp")
    layer.register_forward_pre_hook(lambda module, *_: calls.append(module.training))
    config = LanguageConfig(snapshot="", output="", gradient_checkpointing=True)
    learner = Learner(new_accelerator(), TokenLosses(network), config, 0.01, 1)
    batch = pack([conversation(EncodedGroup([5, 6], [[7, 2]]))])
    learner.accumulate([batch], lambda b: learner.module(b).sum())
    assert calls == [False, False]  # twice, without dropout
    with torch.no_grad():
        learner.module(batch)
    assert calls == [False, False, False]
