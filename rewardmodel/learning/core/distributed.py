"""The processes of one training: precision, and weights in shares.

With shares each process holds a part of weights, gradients and optimizer states. PyTorch's
fully_shard (FSDP2; Zhao et al., arXiv 2304.11277) gathers a layer when it is read. Beside the
shares every process keeps the whole weights, which sample, evaluate and are saved. Tested with two
processes on a CPU; on GPUs its speed and memory are unmeasured.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from typing import TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, DistributedType
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from annotation.lm.cpu_linear import multiplies_bfloat16
from rewardmodel.learning.configs import ConfigError

SUPPORTED = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
Item = TypeVar("Item")
ADVICE = "run accelerate with --multi_gpu or --use_fsdp, or on one GPU."


class Processes(Accelerator):  # type: ignore[misc]
    """The processes that `accelerate launch` started; `in_shares` where it was told to use FSDP."""

    def __init__(self) -> None:
        """Raises ConfigError for kinds of processes that are not supported."""
        for name, variable in {"DeepSpeed": "DEEPSPEED", "Megatron-LM": "MEGATRON_LM"}.items():
            if _takes(f"ACCELERATE_USE_{variable}"):
                raise ConfigError(f"{name} is not supported; {ADVICE}")
        # Taken, since accelerate has FSDP on GPUs only, and transformers would load no weights
        # in processes other than the first.
        self.in_shares = _takes("ACCELERATE_USE_FSDP")
        # Precision is the concern of `autocast`: what is not prepared is to read as what is.
        super().__init__(
            mixed_precision="no",
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
        )
        if self.distributed_type not in SUPPORTED:
            raise ConfigError(f"{self.distributed_type.value} is not supported; {ADVICE}")

    def own(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part of what all of them share out; none of few items."""
        return items[self.process_index :: self.num_processes]


def _takes(variable: str) -> bool:
    """Whether accelerate set it, which it then no longer is."""
    return os.environ.pop(variable, "false").lower() == "true"


def autocast(device: torch.device) -> torch.autocast:
    """float32 weights everywhere; bfloat16 products of them on a GPU.

    One rule for all readings that are trained on or compared, so that differences between them are
    of weights alone.
    """
    return _bfloat16(device, enabled=device.type == "cuda")


def autocast_frozen(device: torch.device) -> torch.autocast:
    """As `autocast`, for a model that is read and never trained: its features are bfloat16 products
    on a CPU, too, where that has instructions for them, at a fifth less time."""
    return _bfloat16(device, enabled=device.type == "cuda" or reads_bfloat16(device))


def reads_bfloat16(device: torch.device) -> bool:
    """Whether `autocast_frozen` makes a difference on this CPU."""
    return device.type == "cpu" and multiplies_bfloat16()


def _bfloat16(device: torch.device, *, enabled: bool) -> torch.autocast:
    # Without the cache, which would hold a copy of every weight until the end of the reading.
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)


def float32(device: torch.device) -> torch.autocast:
    """float32 products, inside of `autocast` too: for heads whose differences are small."""
    return torch.autocast(device.type, enabled=False)


def sharded(module: nn.Module, device: torch.device) -> nn.Module:
    """A copy of `module` whose weights are shares; `module` keeps its own, whole.

    Every process must call it, and the copy then, equally often.
    """
    # Its parameters are at first the very ones of `module`: no moment holds them twice.
    twin = copy.deepcopy(module, {id(p): p for p in module.parameters()})
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for layer in twin.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            fully_shard(layer, mesh=mesh)
    fully_shard(twin, mesh=mesh)
    return twin


def gathered(tensor: Tensor) -> Tensor:
    """All of what this process may hold a share of; every process must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share_of(value: Tensor, like: Tensor) -> Tensor:
    """What this process holds of `value` where it holds `like` of a parameter; no messages."""
    if not isinstance(like, DTensor):
        return value.to(like.device)
    value = value.to(like.to_local().device)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
