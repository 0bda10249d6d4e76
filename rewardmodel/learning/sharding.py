"""Training in parts: each process holds a share of weights, gradients and optimizer states.

PyTorch's fully_shard (FSDP2; Zhao et al., arXiv 2304.11277) gathers a layer when it is read. Beside
the shares every process keeps the whole weights, which sample, evaluate and are saved.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer


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
