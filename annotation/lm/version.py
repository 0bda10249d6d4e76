"""One version of a policy, read where its base is in memory; what was read is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from annotation.lm.chat import Chat, Messages
from annotation.lm.context import context_of
from annotation.lm.decoding import require_numbers, way_to_decode
from annotation.lm.loading import PolicySource, PolicyUnavailable
from annotation.lm.sampler import stop_ids
from annotation.lm.token_bytes import TokenBytes
from annotation.lm.warm import Base, WarmPolicy

MOST_READ = 4  # texts of a base that are kept as they were read
TIE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 3e-3}
"""Logits are as good as equal below this share of the largest: passes of other shapes round
differently, by a hundredth of it."""


@dataclass(frozen=True)
class Token:
    """`bytes` in hexadecimal digits; a `special` one has a meaning in place of a text."""

    id: int
    bytes: str
    special: bool = False
    ends: bool = False


@dataclass(frozen=True)
class Beginning:
    """What is gone on with: a conversation to answer, or a text as it is."""

    messages: Messages
    is_chat: bool = True

    def ids(self, chat: Chat) -> list[int]:
        """Raises ChatError."""
        if self.is_chat:
            return chat.prompt_ids(self.messages)
        text = self.messages[-1]["content"]
        ids = cast(list[int], chat.tokenizer.encode(text, add_special_tokens=False))
        return ids or [chat.end_of_turn]


class Version:
    """One version, read where its base is in memory."""

    def __init__(self, source: PolicySource, warm: WarmPolicy) -> None:
        """Raises PolicyUnavailable."""
        self.adapter, self.base = source.adapter, warm.look_into(source.base_model)
        beside = self.base.beside
        if "chat" not in beside:
            chat = Chat(self.base.tokenizer)
            ends = set(stop_ids(self.base.model, chat))
            beside |= {"chat": chat, "bytes": TokenBytes(self.base.tokenizer), "ends": ends}
        self.chat: Chat = beside["chat"]
        self.bytes: TokenBytes = beside["bytes"]
        self.ends: set[int] = beside["ends"]

    def token(self, index: int) -> Token:
        is_special = index in self.bytes.special
        return Token(index, self.bytes.of(index).hex(), is_special, index in self.ends)

    @torch.inference_mode()
    def read(self, ids: Sequence[int], last: int = 1, of: str = "") -> Tensor:
        """Logits [last, vocabulary] after each of the last tokens, in float32.

        What was read is kept for the next text `of` the same; one replaces the other.
        """
        self._require_room(len(ids))
        self._require_known(ids)
        with self.base.read_as(self.adapter):
            logits = _read(self.base, (self.adapter, of), list(ids), last)
        require_numbers(logits)
        return logits

    @torch.inference_mode()
    def likeliest(self, logits: Tensor, ids: Sequence[int]) -> int:
        """The likeliest token after `ids`, of which the logits [vocabulary] were read somehow.

        Where two are as good as equal, the way of reading would decide by its rounding: then one
        plain pass over the ids decides, for all ways alike.
        """
        best, second = logits.topk(2).values
        if best - second > TIE[self.base.model.dtype] * logits.abs().max():
            return int(logits.argmax())
        with self.base.read_as(self.adapter):
            return int(_plain(self.base, list(ids), 1)[-1].argmax())

    def _require_known(self, ids: Sequence[int]) -> None:
        """A number beyond the vocabulary would leave a GPU unusable for the whole process."""
        known = len(cast(Tensor, self.base.model.get_input_embeddings().weight))
        if not all(0 <= token < known for token in ids):
            raise PolicyUnavailable(f"The model knows {known} tokens; one here is none of them.")

    def _require_room(self, tokens: int) -> None:
        context = context_of(self.base.model)
        if context is not None and tokens >= context:
            raise PolicyUnavailable(f"The model reads {context} tokens in all; here it ends.")


def _read(base: Base, name: tuple[str | None, str], ids: list[int], last: int) -> Tensor:
    """Logits after the last tokens; what was read before under that name is not read again."""
    kept = base.beside.setdefault("read", {})
    if not way_to_decode(base.model, len(ids)).shares:  # whose cache can be cut anywhere
        return _plain(base, ids, last)
    before, cache = kept.pop(name, ([], None))
    known = min(_common(before, ids), len(ids) - last)
    if 0 < known < len(before):
        cache.crop(known - len(before))
    output = base.model(
        torch.tensor([ids[known:]], device=base.model.device),
        past_key_values=cache if known else None,
        use_cache=True,
        logits_to_keep=last,
    )
    while len(kept) >= MOST_READ:
        del kept[next(iter(kept))]
    kept[name] = ids, output.past_key_values
    return cast(Tensor, output.logits[0, -last:].float())


def _plain(base: Base, ids: list[int], last: int) -> Tensor:
    device = base.model.device
    output = base.model(torch.tensor([ids], device=device), use_cache=False, logits_to_keep=last)
    return cast(Tensor, output.logits[0, -last:].float())


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
