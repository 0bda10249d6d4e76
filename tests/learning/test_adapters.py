"""Adapters computed in one product with the sum: the numbers and gradients are PEFT's."""

from typing import Any, cast

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import MambaConfig, MambaForCausalLM

from annotation.lm.loading import PolicyUnavailable
from rewardmodel.learning.core.adapters import FusedLora, fuse_adapters, with_fresh_adapter
from tests.learning.gradients import results


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(12, 9), nn.Linear(9, 7, bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        return cast(Tensor, self.second(self.first(rows).tanh()))


def adapted(**settings: Any) -> PeftModel:
    """An adapter that says something, in evaluation."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", **settings)
    model = cast(PeftModel, get_peft_model(Two(), config))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    return model.eval()


def assert_the_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("shape", [(5, 12), (2, 7, 12), (1, 1, 12)])
def test_results_and_gradients_are_those_of_peft(shape: tuple[int, ...]) -> None:
    model, rows = adapted(), torch.randn(shape)
    expected = results(model, rows)
    fuse_adapters(model)
    assert sum(isinstance(layer, FusedLora) for layer in model.modules()) == 2
    assert_the_same(results(model, rows), expected)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"lora_bias": True}])
def test_other_kinds_of_adapters_are_left_to_peft(settings: dict[str, object]) -> None:
    model, rows = adapted(**settings), torch.randn(3, 12)
    expected = results(model, rows)
    fuse_adapters(model)
    assert_the_same(results(model, rows), expected)


def test_dropout_in_training_stays() -> None:
    model, rows = adapted(lora_dropout=0.5), torch.randn(3, 12)
    fuse_adapters(model)
    assert torch.equal(model(rows), model(rows))
    model.train()
    assert not torch.equal(model(rows), model(rows))


def test_the_adapter_can_be_turned_off_and_merged() -> None:
    model, rows = adapted(), torch.randn(3, 12)
    fuse_adapters(model)
    added = model(rows)
    with model.disable_adapter():
        assert not torch.allclose(model(rows), added)
    assert torch.allclose(model.merge_and_unload()(rows), added, atol=1e-5)


def test_a_base_that_peft_refuses_is_named_with_what_to_do() -> None:
    config = MambaConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, state_size=4)
    with pytest.raises(PolicyUnavailable, match=r"no adapter on a MambaForCausalLM: .*Train all"):
        with_fresh_adapter(MambaForCausalLM(config), 4)
