"""Linear layers by oneDNN: the same numbers, gradients and weights as PyTorch's own."""

from pathlib import Path

import pytest
import torch
from torch import nn

from annotation.lm import cpu_linear
from annotation.lm.cpu_linear import OneDnnLinear, has_wide_vectors, use_onednn
from tests.learning.gradients import results

pytestmark = pytest.mark.skipif(not has_wide_vectors(), reason="this processor has no AVX-512")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 12), (2, 7, 12), (1, 12)])
@pytest.mark.parametrize("trains", [True, False])
def test_results_and_gradients_are_those_of_pytorch(
    bias: bool, shape: tuple[int, ...], trains: bool
) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(12, 9, bias=bias).requires_grad_(trains)
    rows = torch.randn(shape)
    expected, found = results(layer, rows), results(OneDnnLinear.of(layer), rows)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_other_precisions_and_no_rows_at_all_work_as_ever() -> None:
    layer = nn.Linear(12, 9)
    assert OneDnnLinear.of(layer)(torch.zeros(0, 12)).shape == (0, 9)
    half = OneDnnLinear.of(layer).to(torch.bfloat16)
    assert half(torch.ones(3, 12, dtype=torch.bfloat16)).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert OneDnnLinear.of(layer)(torch.ones(3, 12)).dtype == torch.bfloat16


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the system says whose it is."""
    monkeypatch.setattr(cpu_linear, "CPU_INFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def test_on_a_processor_that_mkl_knows_it_is_left_to_mkl(processor: Path) -> None:
    processor.write_text("vendor_id\t: GenuineIntel\n")
    model = nn.Sequential(nn.Linear(12, 9))
    use_onednn(model)
    assert type(model[0]) is nn.Linear


def test_a_model_keeps_its_weights_their_names_and_their_ties(processor: Path) -> None:
    processor.write_text("vendor_id\t: AuthenticAMD\n")
    model = nn.Sequential(nn.Embedding(9, 12), nn.Linear(12, 9, bias=False))
    model[1].weight = model[0].weight
    before = model.state_dict(keep_vars=True)
    use_onednn(model)
    assert isinstance(model[1], OneDnnLinear)
    assert model[1].weight is model[0].weight
    after = model.state_dict(keep_vars=True)
    assert all(after[name] is weight for name, weight in before.items())
