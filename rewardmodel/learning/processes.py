"""The processes that one training consists of."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, DistributedType

from rewardmodel.learning.configs import ConfigError

SUPPORTED = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)
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
        # Precision is the concern of `arithmetic`: what is not prepared is to read as what is.
        super().__init__(
            mixed_precision="no",
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
        )
        if self.distributed_type not in SUPPORTED:
            raise ConfigError(f"{self.distributed_type.value} is not supported; {ADVICE}")


def _takes(variable: str) -> bool:
    """Whether accelerate set it, which it then no longer is."""
    return os.environ.pop(variable, "false").lower() == "true"
