from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from annotation.lm.loading import load_causal_lm
from rewardmodel.learning.configs import LanguageConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.text_packing import TokenLosses, conversation, pack
from rewardmodel.learning.core.trainer import Trainer, cosine
from tests.learning.conftest import Rows, demonstrations
from tests.learning.runs import failure_of, from_demonstrations, from_scratch, weights_of

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
    trainer = Trainer(Processes(), TokenLosses(network), config, 0.01, 1)
    batch = pack([conversation(EncodedGroup([5, 6], [[7, 2]]))])
    for each in trainer.passes([batch]):
        trainer.backward(trainer.module(each).sum())
    assert calls == [False, False]  # twice, without dropout
    with torch.no_grad():
        trainer.module(batch)
    assert calls == [False, False, False]


def test_gradient_checkpointing_turns_no_dropout_on_that_a_layer_does_itself() -> None:
    sizes: dict[str, Any] = {
        **{"vocab_size": 20, "hidden_size": 16, "word_embed_proj_dim": 16, "ffn_dim": 32},
        **{"num_hidden_layers": 2, "num_attention_heads": 2},
    }
    opt = OPTConfig(dropout=0.5, **sizes)
    losses = TokenLosses(OPTForCausalLM(opt).train(False))
    batch = pack([conversation(EncodedGroup([5, 6], [[7, 2]]))])
    expected = losses(batch).sum().item()
    config = LanguageConfig(snapshot="", output="", gradient_checkpointing=True)
    trainer = Trainer(Processes(), losses, config, 0.01, 1)
    for each in trainer.passes([batch]):
        trainer.backward(trainer.module(each).sum())
    assert trainer.step(0)["loss"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("variable", "name"),
    [("ACCELERATE_USE_DEEPSPEED", "DeepSpeed"), ("ACCELERATE_USE_MEGATRON_LM", "Megatron-LM")],
)
def test_kinds_of_processes_that_do_not_work_are_refused_in_a_sentence(
    variable: str, name: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "true")
    assert from_scratch(tmp_path / "model", text) == 1
    assert failure_of(tmp_path / "model") == (
        f"{name} is not supported; run accelerate with --multi_gpu or --use_fsdp, or on one GPU."
    )
