"""The language model of stages 1 and 2: loaded or new, evaluated, sampled from, saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.lm.chat import Chat, Messages
from annotation.lm.context import within_context
from annotation.lm.loading import load_causal_lm, require_embeddings
from annotation.lm.sampler import SamplingParameters, derive_seed, sample_groups, stop_ids
from rewardmodel.learning.configs import ConfigError, LanguageConfig
from rewardmodel.learning.core.adapters import save_adapter, with_trainable_adapter
from rewardmodel.learning.core.distributed import Processes, autocast
from rewardmodel.learning.core.text_packing import (
    Example,
    TokenLosses,
    TokenPredictions,
    choose_row_layout,
    row_batches,
)
from rewardmodel.learning.language.from_scratch import new_model, preset_of
from rewardmodel.learning.language.tokens import (
    separator_id,
)


class LanguageModel:
    """The model that learns: new, or a parent with a trainable adapter, or all of a parent."""

    def __init__(
        self, config: LanguageConfig, tokenizer: PreTrainedTokenizerBase, device: torch.device
    ) -> None:
        """Raises PolicyUnavailable and ConfigError."""
        self.config, self.chat, self.device = config, Chat(tokenizer), device
        self.adapted: PeftModel | None = None
        if config.base_model:
            self.network = self._load_parent()
        else:
            self.network = new_model(preset_of(config.preset), tokenizer)
        self.network.to(device).eval()  # type: ignore[arg-type]  # dropout stays off
        self.losses = TokenLosses(self.network)
        self.predictions = TokenPredictions(self.network)
        self.row_tokens = within_context(self.network, config.block_tokens, "block_tokens")
        self.layout = choose_row_layout(self.losses, self.row_tokens)

    def _load_parent(self) -> PreTrainedModel:
        config = self.config
        base = load_causal_lm(config.base_model, torch.float32)
        require_embeddings(base, self.chat)
        if not config.full:
            self.adapted = with_trainable_adapter(base, config.adapter, config.lora_rank)
            return cast(PreTrainedModel, self.adapted.get_base_model())
        if config.adapter is not None:
            parent = with_trainable_adapter(base, config.adapter, config.lora_rank)
            base = cast(PreTrainedModel, parent.merge_and_unload())
        return base.requires_grad_(True)

    @property
    def trained(self) -> int:
        """How many weights are trained."""
        return sum(p.numel() for p in self.losses.parameters() if p.requires_grad)

    @torch.no_grad()
    def evaluate(
        self, heldout: Sequence[Example], accelerator: Processes
    ) -> tuple[list[float], float]:
        """The summed loss of each held-out example, and the summed entropy of the next token of
        them all; every process reads its share."""
        mine = accelerator.own(heldout)
        places = {id(part): place for place, example in enumerate(heldout) for part in example}
        sums = torch.zeros(len(heldout) + 1, device=self.device, dtype=torch.float64)
        for batch in row_batches(mine, self.row_tokens, self.config.tokens_per_batch):
            with autocast(self.device):
                losses, entropies = self.losses.with_entropies(self.layout(batch).to(self.device))
            segments = [segment for row in batch for segment in row]
            parts = torch.split(losses.double(), [segment.learned for segment in segments])
            for segment, part in zip(segments, parts, strict=True):
                sums[places[id(segment)]] += part.sum()
            sums[-1] += entropies.double().sum()
        found: list[float] = accelerator.reduce(sums, reduction="sum").tolist()
        return found[:-1], found[-1]

    @torch.no_grad()
    def go_on(self, opening: list[int]) -> dict[str, str]:
        """Text sampled at temperature 1 after an opening, the same for the same weights."""
        ids = torch.tensor([opening], device=self.device)
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            output = self.network.generate(  # type: ignore[operator]
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self.config.max_new_tokens,
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                pad_token_id=self.chat.pad,
            )[0]
        decode = self.chat.tokenizer.decode
        return {
            "prompt": cast(str, decode(opening, skip_special_tokens=True)),
            "text": cast(str, decode(output[len(opening) :], skip_special_tokens=True)),
        }

    def answers(self, prompts: Sequence[Messages]) -> list[str]:
        """One answer to each prompt, sampled at temperature 1 with the run's seed."""
        parameters = SamplingParameters(max_new_tokens=self.config.max_new_tokens)
        groups = sample_groups(
            self.network,
            self.chat.tokenizer,
            prompts,
            1,
            parameters,
            derive_seed(self.config.seed, -1),
        )
        return [group[0].text for group in groups]

    def save(self, folder: Path) -> None:
        """An adapter folder, or an ordinary model whose answers stop; the tokenizer with it."""
        if self.adapted is not None and not self.config.merge:
            save_adapter(self.adapted, folder)
        else:
            if self.adapted is not None:
                self.network = cast(PreTrainedModel, self.adapted.merge_and_unload())
            generation = self.network.generation_config
            if generation is not None:
                ends = {*stop_ids(self.network, self.chat), separator_id(self.chat.tokenizer)}
                generation.eos_token_id = sorted(ends)
                generation.pad_token_id = self.chat.pad
            if self.chat.pad != self.chat.end_of_turn:  # an embedding of padding learns nothing
                self.network.config.pad_token_id = self.chat.pad
            self.network.save_pretrained(folder)
        self.chat.tokenizer.save_pretrained(folder)


def check(config: LanguageConfig) -> None:
    """Raises ConfigError for fields that do not go together."""
    if config.base_model and config.preset:
        raise ConfigError("Give base_model to continue a model, or preset for a new one; not both.")
    if not config.base_model and not config.preset:
        raise ConfigError("Give base_model to continue a model, or preset for one from scratch.")
    if config.stage == "demonstrations" and not config.base_model:
        raise ConfigError("Demonstrations need a base_model; make one from raw text first.")
    if config.adapter and not config.base_model:
        raise ConfigError("An adapter needs its base_model.")


def peak_learning_rate(config: LanguageConfig) -> float:
    """The given one, or what suits the weights that are trained (sources: LanguageConfig)."""
    if config.learning_rate is not None:
        return config.learning_rate
    if not config.base_model:
        return 3e-3
    return 2e-5 if config.full else 2e-4
