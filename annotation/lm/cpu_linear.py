"""Linear layers on the CPU by oneDNN in place of MKL, for twice the speed on AMD processors.

PyTorch multiplies float32 matrices with MKL, which leaves AVX-512 unused on processors that are not
Intel's; oneDNN, which comes with PyTorch too, uses it everywhere, but on Intel's is the slower of
the two. Precision is the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CPU_INFO = Path("/proc/cpuinfo")


def has_wide_vectors() -> bool:
    """Whether this processor has AVX-512, and this PyTorch oneDNN."""
    cpu = torch.backends.cpu.get_cpu_capability()
    return cpu.startswith("AVX512") and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def mkl_knows_the_processor() -> bool:
    """Whether it is Intel's. On systems without CPU_INFO nobody says, and it counts as known."""
    return not CPU_INFO.is_file() or "GenuineIntel" in CPU_INFO.read_text()


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it, and this PyTorch oneDNN, which uses them."""
    known = torch.cpu.get_capabilities()
    is_native = known.get("avx512_bf16", False) or known.get("amx_bf16", False)
    return has_wide_vectors() and bool(is_native)


def use_onednn(model: nn.Module) -> None:
    """Exchanges the linear layers of a model in memory where that makes them faster.

    Weights, their names and ties stay. Asks the processor only, so that runs can be repeated.
    """
    if not has_wide_vectors() or mkl_knows_the_processor():
        return
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear:
            model.set_submodule(name, OneDnnLinear.of(layer))


class OneDnnLinear(nn.Linear):
    """An nn.Linear that multiplies float32 on the CPU with oneDNN, and all else as ever."""

    @classmethod
    def of(cls, layer: nn.Linear) -> OneDnnLinear:
        """With the very weights of `layer`."""
        new = cls(layer.in_features, layer.out_features, bias=False, device="meta")
        new.weight, new.bias = layer.weight, layer.bias
        return new.train(layer.training)

    def forward(self, rows: Tensor) -> Tensor:
        is_ours = rows.dtype == self.weight.dtype == torch.float32 and rows.device.type == "cpu"
        if not is_ours or rows.numel() == 0 or torch.is_autocast_enabled("cpu"):
            return super().forward(rows)
        if torch.is_grad_enabled():
            return cast(Tensor, _Linear.apply(rows, self.weight, self.bias))  # type: ignore[no-untyped-call]
        return _multiply(rows, self.weight, self.bias)


def _multiply(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """rows [..., in] times weight [out, in] transposed; [..., out]."""
    multiply = torch.ops.mkldnn._linear_pointwise.default
    return cast(Tensor, multiply(rows, weight, bias, "none", [], ""))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(rows if weight.requires_grad else None, weight)
        ctx.has_bias = bias is not None
        return _multiply(rows, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.needs_input_grad
        flat = gradient.flatten(0, -2)
        return (
            _multiply(gradient.contiguous(), weight.t()) if of_rows else None,
            _multiply(flat.t(), rows.flatten(0, -2).t()) if of_weight else None,
            flat.sum(0) if of_bias and ctx.has_bias else None,
        )
