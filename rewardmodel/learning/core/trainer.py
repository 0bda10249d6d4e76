"""What every training loop needs around its loss: processes, clipping, schedule, checkpoints.

A loop reads as in plain PyTorch; `passes` gives each process its batches of a step:

    for step in range(start, trainer.steps):
        for batch in trainer.passes(batches):
            with autocast(device):
                loss = ...
            trainer.backward(loss)
        metrics = trainer.step(step)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from annotation.lm.cpu_linear import use_onednn
from rewardmodel.learning.configs import Config
from rewardmodel.learning.core.adapters import fuse_adapters
from rewardmodel.learning.core.checkpoints import Checkpoint, newest_checkpoint, save_checkpoint
from rewardmodel.learning.core.distributed import Processes, gathered, sharded, share_of
from rewardmodel.learning.core.run_folder import TrainingFailure
from rewardmodel.learning.core.speed import memory_in_use

Item = TypeVar("Item")
Weights = dict[str, Tensor]


def cosine(step: int, total: int, final: float, warmup: float = 0.0) -> float:
    """The learning rate's share of its peak at `step` of `total`, falling towards `final`.

    It rises in a line during the first `warmup` of the steps, a share.
    """
    rising = round(warmup * total)
    if step < rising:
        return (step + 1) / (rising + 1)
    done = (step - rising) / (total - rising)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))


def shuffled(count: int, seed: int, start: int, length: int) -> list[int]:
    """`length` indices below `count` from place `start` of endless passes in random order.

    Each pass visits every index once, in an order that depends on `seed` and its number only, so
    that a resumed run goes on in the same order.
    """
    places = range(start, start + length)
    orders: dict[int, list[int]] = {}
    for number in {place // count for place in places}:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        orders[number] = torch.randperm(count, generator=generator).tolist()
    return [orders[place // count][place % count] for place in places]


class Trainer:
    """Trains a module's trainable parameters with AdamW and a cosine learning rate.

    `module` is the `given` one, prepared for the processes that accelerate started; with FSDP it is
    a copy in shares, and the given one has whole weights that follow each update.
    """

    def __init__(
        self, accelerator: Processes, module: nn.Module, config: Config, peak: float, steps: int
    ) -> None:
        self.accelerator, self.config, self.peak, self.steps = accelerator, config, peak, steps
        self.given = module
        fuse_adapters(module)
        use_onednn(module)
        self.whole = _trainable(module)
        in_shares = accelerator.in_shares and accelerator.num_processes > 1
        trained = sharded(module, accelerator.device) if in_shares else module
        self.parameters = _trainable(trained)
        self.checkpointed = _checkpointed(trained) if config.gradient_checkpointing else []
        self.module: nn.Module = trained if in_shares else accelerator.prepare(module)
        matrices = [p for p in self.parameters.values() if p.dim() >= 2]
        vectors = [p for p in self.parameters.values() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=peak,
            eps=config.adam_epsilon,
        )
        self._weight = 1.0  # of the present pass in the step's loss
        self._sums = self._nothing()  # of the step so far

    def weights(self) -> Weights:
        """A copy of the trainable parameters, by name."""
        return {name: p.detach().clone() for name, p in self.whole.items()}

    def set_weights(self, weights: Weights) -> None:
        """The inverse of `weights`."""
        for name, parameter in self.whole.items():
            parameter.data.copy_(weights[name])
            trained = self.parameters[name]
            if trained is not parameter:
                trained.data.copy_(share_of(weights[name], trained))

    def restart(self, weights: Weights, steps: int) -> None:
        """Begins a training of `steps` steps anew from those weights, as from `weights`."""
        self.set_weights(weights)
        self.optimizer.state.clear()
        self.steps = steps

    def shard(self, items: Sequence[Item], setting: str) -> Sequence[Item]:
        """The items of a step that this process works on; at least one.

        `setting` is the field that says how many a step has. Raises TrainingFailure.
        """
        processes = self.accelerator.num_processes
        if len(items) < processes:
            raise TrainingFailure(
                f"A step has {len(items)} of {setting} for {processes} processes: start fewer "
                f"processes, or raise {setting}."
            )
        return self.accelerator.own(items)

    def passes(self, batches: Sequence[Item]) -> Iterator[Item]:
        """This process's batches of a step, one for each forward and backward pass.

        Every process makes as many passes as the busiest one, since their gradients are exchanged
        in the last: the surplus is its last batch again, which `backward` gives the weight 0.
        """
        accelerator = self.accelerator
        counts = accelerator.gather(torch.tensor([len(batches)], device=accelerator.device))
        passes = int(counts.max())
        for layer in self.checkpointed:  # the flag alone: dropout in its children stays off
            layer.training = True
        for number in range(passes):
            self._weight = 1.0 if number < len(batches) else 0.0
            last = number + 1 == passes
            with nullcontext() if last else accelerator.no_sync(self.module):
                yield batches[min(number, len(batches) - 1)]
        for layer in self.checkpointed:
            layer.training = False

    def backward(self, loss: Tensor, **parts: Tensor) -> None:
        """Adds the gradient of a pass's part of the step's loss, a sum over all processes.

        `parts` are the pass's parts of further figures of the step, sums over all processes, too.
        """
        loss = self._weight * loss
        self.accelerator.backward(loss * self.accelerator.num_processes)
        self._add("loss", loss)
        for name, part in parts.items():
            self._add(name, self._weight * part)

    def _add(self, name: str, part: Tensor) -> None:
        part = part.detach().float()
        self._sums[name] = self._sums[name] + part if name in self._sums else part

    def _nothing(self) -> dict[str, Tensor]:
        return {"loss": torch.zeros((), device=self.accelerator.device)}

    def step(self, step: int) -> dict[str, float]:
        """Clips the gradient, updates the weights, and clears both; `step` sets the learning rate.

        Returns the metrics of the update: the figures that the passes had parts of, and the memory
        in use in GB. Raises TrainingFailure when loss or gradient are not finite.
        """
        sums = self.accelerator.reduce(torch.stack(list(self._sums.values())), reduction="sum")
        figures = dict(zip(self._sums, sums.tolist(), strict=True))
        loss = figures["loss"]
        clip, parameters = self.config.gradient_clip, self.parameters.values()
        norm = float(gathered(self.accelerator.clip_grad_norm_(parameters, clip)))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise TrainingFailure(
                f"The loss is not finite at step {step + 1} (loss {loss}, gradient {norm}); "
                "lower learning_rate or look for broken text in the snapshot."
            )
        rate = self.peak * cosine(
            step, self.steps, self.config.final_learning_rate, self.config.warmup
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._sums = self._nothing()
        self._follow()
        updated = {**figures, "gradient_norm": norm, "learning_rate": rate}
        return {**updated, "memory": memory_in_use(self.accelerator.device) / 1e9}

    @torch.no_grad()
    def _follow(self) -> None:
        """Brings the whole weights up to date with the shares."""
        for name, parameter in self.whole.items():
            trained = self.parameters[name]
            if trained is not parameter:
                parameter.copy_(gathered(trained))

    def save(self, folder: Path, step: int, extra: dict[str, Tensor] | None = None) -> None:
        """A checkpoint after `step` finished steps, when one is due; only the main process's."""
        if step % self.config.checkpoint_every and step != self.steps:
            return
        tensors = {f"extra/{name}": tensor for name, tensor in (extra or {}).items()}
        for name, parameter in self.parameters.items():
            tensors[f"parameter/{name}"] = self.whole[name]
            for key, value in self.optimizer.state[parameter].items():
                full = gathered(value)
                if self.accelerator.is_main_process:
                    tensors[f"optimizer/{key}/{name}"] = full.cpu()
        if self.accelerator.is_main_process:
            save_checkpoint(folder, Checkpoint(step, tensors, {"config": asdict(self.config)}))
        self.accelerator.wait_for_everyone()

    def resume(self, folder: Path) -> tuple[int, dict[str, Tensor]]:
        """Restores the newest checkpoint; returns its finished steps and extra tensors.

        Raises TrainingFailure when it belongs to another configuration.
        """
        checkpoint = newest_checkpoint(folder)
        if checkpoint is None:
            return 0, {}
        if checkpoint.state["config"] != asdict(self.config):
            raise TrainingFailure(
                f"{folder} holds a checkpoint of another configuration; use a new run folder."
            )
        self.set_weights({n: checkpoint.tensors[f"parameter/{n}"] for n in self.parameters})
        for name, parameter in self.parameters.items():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = checkpoint.tensors[f"optimizer/{key}/{name}"]
                kept = value if key == "step" else share_of(value, parameter)
                self.optimizer.state[parameter][key] = kept
        extra = {
            name.removeprefix("extra/"): tensor
            for name, tensor in checkpoint.tensors.items()
            if name.startswith("extra/")
        }
        return checkpoint.step, extra


def _trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _checkpointed(module: nn.Module) -> list[GradientCheckpointingLayer]:
    """Turns gradient checkpointing on inside; the layers whose `training` flag rules it."""
    for part in module.modules():
        if isinstance(part, PreTrainedModel) and part.supports_gradient_checkpointing:
            part.activation_checkpointing_enable({"use_reentrant": False})
    layers = [part for part in module.modules() if isinstance(part, GradientCheckpointingLayer)]
    for layer in layers:  # the flag would turn on what a layer drops out itself, as OPT's do
        for name, value in list(vars(layer).items()):
            if "dropout" in name and isinstance(value, float):
                setattr(layer, name, 0.0)
    return layers
