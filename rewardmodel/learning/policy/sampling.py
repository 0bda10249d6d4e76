"""The policy's answers: sampled here, or by a rollout server that is given the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from uuid import uuid4

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.sampler import (
    SamplingParameters,
    prompt_limit,
    sample_with_seeds,
    stop_ids,
)
from annotation.lm.server import RolloutServer
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.adapters import save_adapter
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy.rollout import heldout_seeds


class PolicySampler:
    """Samples at temperature 1 from a base model with an adapter as it is now."""

    def __init__(self, config: PolicyConfig, adapted: PeftModel, chat: Chat) -> None:
        self.config, self.adapted, self.chat = config, adapted, chat
        self.network = cast(PreTrainedModel, adapted.get_base_model())
        self.prompt_limit = prompt_limit(self.network, config.max_new_tokens)
        self.parameters = SamplingParameters(max_new_tokens=config.max_new_tokens)
        self._of_base: dict[tuple[str, tuple[int, ...]], list[Completion]] = {}

    def sample(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[list[Completion]]:
        """One answer for each seed of each prompt."""
        if self.config.rollout_server:
            return self._sample_there(prompts, seeds)
        return self._sample_here(prompts, seeds)

    def base_endings(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[bool]:
        """Whether each of the base model's answers to them ends by itself; sampled here, whatever
        samples else."""
        with self.adapted.disable_adapter():
            sampled = self._sample_here(prompts, seeds)
        return [completion.has_ended for answers in sampled for completion in answers]

    def _sample_there(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[list[Completion]]:
        name = f"laoshi-{uuid4().hex}"
        server = RolloutServer(self.config.rollout_server, name)
        with TemporaryDirectory(dir=Path(self.config.output).absolute().parent) as folder:
            save_adapter(self.adapted, Path(folder))
            server.load_adapter(name, Path(folder))
            stops = stop_ids(self.network, self.chat)
            answers = server.sample(
                self.chat, prompts, seeds, self.parameters, stops, self.prompt_limit
            )
            server.unload_adapter(name)
        return answers

    def _sample_here(
        self, prompts: Sequence[Messages], seeds: Sequence[Sequence[int]]
    ) -> list[list[Completion]]:
        """What the base model says is kept: who starts from it is asked the same in the first
        check, and as the parent in the end."""
        answers = self._of_base if self._is_base() else {}
        asked = [
            (prompt_key(prompt), tuple(own)) for prompt, own in zip(prompts, seeds, strict=True)
        ]
        new = [place for place, key in enumerate(asked) if key not in answers]
        sampled = sample_with_seeds(
            self.network,
            self.chat.tokenizer,
            [prompts[place] for place in new],
            [seeds[place] for place in new],
            self.parameters,
        )
        answers |= zip((asked[place] for place in new), sampled, strict=True)
        return [answers[key] for key in asked]

    def _is_base(self) -> bool:
        """Whether the adapter is as fresh as it was made, when it adds nothing."""
        added = (w for name, w in self.adapted.named_parameters() if "lora_B" in name)
        return self.config.adapter is None and not any(bool(weight.any()) for weight in added)


def share_that_ends(
    sampler: PolicySampler, accelerator: Processes, rows: Sequence[PromptRow]
) -> float:
    """Of the base model's answers to the first of these prompts, by themselves; every process
    answers its part."""
    config = sampler.config
    mine = accelerator.own(range(min(len(rows), config.heldout_prompts)))
    ended = sampler.base_endings(
        [rows[place].prompt for place in mine], [heldout_seeds(config, place) for place in mine]
    )
    counted = torch.tensor([sum(ended), len(ended)], device=accelerator.device)
    total, answers = accelerator.reduce(counted, reduction="sum").tolist()
    return float(total / answers)
