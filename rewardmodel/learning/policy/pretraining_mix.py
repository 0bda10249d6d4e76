"""The pretraining mix: raw text that the policy must keep likely while it is taught."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from annotation.lm.context import within_context
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import GroupBatch
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.text_packing import (
    TokenBatch,
    TokenLosses,
    choose_row_layout,
    learned_in,
    row_batches,
)
from rewardmodel.learning.core.trainer import shuffled
from rewardmodel.learning.language.text import read_pieces, text_files
from rewardmodel.learning.language.tokens import (
    TextBlocks,
    open_tokens,
    separator_id,
    write_tokens,
)
from rewardmodel.learning.policy.model import AdaptedPolicy

MADE_FROM = ("pretraining_text", "heldout_percent", "base_model")


@dataclass(frozen=True)
class TextBatch:
    """Rows of one forward pass; each nat of their tokens costs `price`."""

    rows: TokenBatch
    price: float


class WithText(nn.Module):
    """Reads groups with one module and rows of text with another one on the same weights."""

    def __init__(self, groups: nn.Module, text: TokenLosses) -> None:
        super().__init__()
        self.groups, self.text = groups, text

    def forward(self, batch: GroupBatch | TokenBatch) -> Tensor | tuple[Tensor, Tensor]:
        if isinstance(batch, TokenBatch):
            return cast(Tensor, self.text(batch))
        return cast("Tensor | tuple[Tensor, Tensor]", self.groups(batch))


class PretrainingMix:
    """The second expectation of equation 2 of InstructGPT (arXiv 2203.02155), PPO-ptx.

    Blocks of text drawn without repetition; the loss is gamma times their mean nats a token.
    """

    def __init__(
        self, config: PolicyConfig, run: RunFolder, accelerator: Processes, policy: AdaptedPolicy
    ) -> None:
        """Raises SnapshotError when the text cannot be read, TrainingFailure when it is empty."""
        self.config, self.accelerator, self.policy = config, accelerator, policy
        self.losses = TokenLosses(policy.network)
        self.row_tokens = within_context(policy.network, config.tokens_per_batch)
        self.layout = choose_row_layout(self.losses, self.row_tokens)
        tokenizer, source = policy.chat.tokenizer, Path(config.pretraining_text)
        folder = run.path / "pretraining"
        if accelerator.is_main_process:
            size = sum(path.stat().st_size for path in text_files(source))
            write_tokens(
                read_pieces(source, "text", config.heldout_percent),
                tokenizer,
                folder,
                {"bytes": size, **{name: getattr(config, name) for name in MADE_FROM}},
                lambda done: run.progress("loading", min(done, size), size),
            )
        accelerator.wait_for_everyone()
        tokens = open_tokens(folder)["train"].tokens
        self.blocks = TextBlocks(tokens, self.row_tokens, separator_id(tokenizer))
        if not self.blocks:
            raise TrainingFailure(f"There is no text to keep likely in {source}.")

    def batches(self, step: int) -> list[TextBatch]:
        """This process's rows of a step, as many batches as every process has.

        They are to be read before anything else of the step: processes that exchange gradients or
        shares must read the same kind of batch at a time, above all in the last pass. So a process
        with fewer reads some again, at no price.
        """
        count = min(self.config.pretraining_blocks, len(self.blocks))
        order = shuffled(len(self.blocks), self.config.seed, step * count, count)
        chosen = [self.blocks[i] for i in order]
        processes = self.accelerator.num_processes
        everyones = [
            list(row_batches(chosen[i::processes], self.row_tokens, self.config.tokens_per_batch))
            for i in range(processes)
        ]
        price = self.config.pretraining_gamma / learned_in(chosen)
        mine = [(rows, price) for rows in everyones[self.accelerator.process_index]]
        most = max(everyones, key=len)
        mine += [(rows, 0.0) for rows in most[len(mine) :]]
        device = self.policy.device
        return [TextBatch(self.layout(rows).to(device), price) for rows, price in mine]
