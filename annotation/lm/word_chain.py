"""A look inside: what a policy makes of the next token, and two ways to write with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor

from annotation.lm.chat import Chat, ChatError, Messages
from annotation.lm.context import context_of
from annotation.lm.decoding import require_numbers, way_to_decode
from annotation.lm.loading import DAMAGE, PolicySource, PolicyUnavailable, brief
from annotation.lm.sampler import derive_seed, draw, noise_of, probabilities_of, stop_ids
from annotation.lm.token_bytes import TokenBytes
from annotation.lm.warm import Base, WarmPolicy

logger = logging.getLogger(__name__)

SHOWN = 20
MOST_READ = 4  # versions of a base whose last text is kept as it was read
TIE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 3e-3}
"""Logits are as good as equal below this share of the largest: passes of other shapes round
differently, by a hundredth of it."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the next token is drawn; temperature 0 takes the likeliest, top_k 0 leaves all."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Token:
    """`bytes` in hexadecimal digits; a `special` one has a meaning in place of a text."""

    id: int
    bytes: str
    special: bool = False
    ends: bool = False


@dataclass(frozen=True)
class Bar:
    """`share` of the draws, under the settings, and `plain` without them, at temperature 1."""

    token: Token
    share: float
    plain: float


@dataclass(frozen=True)
class Look:
    """What one version makes of the next token: the likeliest first, and all others together.

    `divergence`: KL(this ‖ the first version) in nats, after the same text, without settings.
    """

    bars: list[Bar]
    rest: Bar
    others: int
    chosen: Token
    divergence: float


@dataclass(frozen=True)
class Sweep:
    """All positions guessed at once; the first `settled` of them can change no more."""

    guess: list[Token]
    settled: int


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
    def read(self, ids: Sequence[int], last: int = 1) -> Tensor:
        """Logits [last, vocabulary] after each of the last tokens, in float32."""
        self._require_room(len(ids))
        with self.base.read_as(self.adapter):
            logits = _read(self.base, self.adapter, list(ids), last)
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

    def _require_room(self, tokens: int) -> None:
        context = context_of(self.base.model)
        if context is not None and tokens >= context:
            raise PolicyUnavailable(f"The model reads {context} tokens in all; here it ends.")


def look(
    sources: Sequence[PolicySource],
    beginning: Beginning,
    tokens: Sequence[int],
    how: Draw,
    warm: WarmPolicy,
) -> list[Look]:
    """What each version makes of the token after `tokens`, drawn by the same chance for all.

    Raises PolicyUnavailable, ChatError.
    """
    first, looks = None, []
    for source in sources:
        version = Version(source, warm)
        ids = [*beginning.ids(version.chat), *tokens]
        logits = version.read(ids)[0]
        logs = logits.log_softmax(-1)
        first = logs if first is None else first
        if first.shape != logs.shape:
            raise PolicyUnavailable("These versions have other tokens each: look at one alone.")
        looks.append(_look(version, ids, logits, divergence(logs, first), len(tokens), how))
    return looks


def divergence(logs: Tensor, reference: Tensor) -> float:
    """KL(p ‖ reference) in nats, of log probabilities [vocabulary]."""
    return max(0.0, float((logs.exp() * (logs - reference)).sum()))


def shares(logits: Tensor, how: Draw) -> Tensor:
    """With which probability each token is drawn at a temperature above 0; [vocabulary]."""
    kept = probabilities_of(logits[None], how.temperature, how.top_p, how.top_k)[0]
    return kept / kept.sum()


def _look(
    version: Version, ids: list[int], logits: Tensor, moved: float, position: int, how: Draw
) -> Look:
    plain = logits.softmax(-1)
    if how.temperature == 0:
        chosen = version.likeliest(logits, ids)
        share = torch.zeros_like(logits)
        share[chosen] = 1.0
    else:
        share = shares(logits, how)
        generator = torch.Generator(logits.device).manual_seed(derive_seed(how.seed, position))
        chosen = int(draw(share[None], noise_of([generator], len(share)))[0])
    top = plain.topk(min(SHOWN, len(plain))).indices.tolist()
    bars = [Bar(version.token(index), float(share[index]), float(plain[index])) for index in top]
    beyond = [max(0.0, 1 - float(each[top].sum())) for each in (share, plain)]
    rest = Bar(Token(-1, ""), *beyond)
    return Look(bars, rest, len(plain) - len(top), version.token(chosen), moved)


def sweep(
    source: PolicySource,
    beginning: Beginning,
    guess: Sequence[int],
    settled: int,
    warm: WarmPolicy,
) -> Sweep:
    """One pass of Jacobi decoding (arXiv 2305.10427): every position at once is given the likeliest
    token after what was guessed before it.

    The first one that is not settled stands behind settled ones only: now it is settled, and so
    are those after it as far as they were guessed right. An empty position of the guess is -1.
    """
    version = Version(source, warm)
    prompt = beginning.ids(version.chat)
    before = [token if token >= 0 else version.chat.pad for token in guess]
    logits = version.read([*prompt, *before[:-1]], len(guess) - settled)
    new = [*before[:settled], *logits.argmax(-1).tolist()]
    place = settled
    while place < len(guess):
        new[place] = version.likeliest(logits[place - settled], [*prompt, *new[:place]])
        place += 1
        if new[place - 1] in version.ends:
            return Sweep([version.token(token) for token in new[:place]], place)
        if new[place - 1] != guess[place - 1]:
            break
    return Sweep([version.token(token) for token in new], place)


def _read(base: Base, adapter: str | None, ids: list[int], last: int) -> Tensor:
    """Logits after the last tokens; what was read of the same version before is not read again."""
    kept = base.beside.setdefault("read", {})
    if not way_to_decode(base.model, len(ids)).shares:  # whose cache can be cut anywhere
        return _plain(base, ids, last)
    before, cache = kept.pop(adapter, ([], None))
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
    kept[adapter] = ids, output.past_key_values
    return cast(Tensor, output.logits[0, -last:].float())


def _plain(base: Base, ids: list[int], last: int) -> Tensor:
    device = base.model.device
    output = base.model(torch.tensor([ids], device=device), use_cache=False, logits_to_keep=last)
    return cast(Tensor, output.logits[0, -last:].float())


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def answer(question: dict[str, Any], warm: WarmPolicy) -> dict[str, Any]:
    """To what `annotation/services/word_chain.py` asks, as JSON has it; or the problem."""
    sources = [PolicySource(**source) for source in question["sources"]]
    beginning = Beginning(question["messages"], question["is_chat"])
    try:
        if question["way"] == "sweep":
            found = sweep(sources[0], beginning, question["tokens"], question["settled"], warm)
            return asdict(found)
        how = Draw(**question["how"])
        looks = look(sources, beginning, question["tokens"], how, warm)
        return {"looks": [asdict(each) for each in looks]}
    except (PolicyUnavailable, ChatError) as problem:
        return {"problem": str(problem)}
    except DAMAGE as problem:  # whatever else the worker does goes on
        logger.exception("A look into %s failed", sources)
        return {"problem": brief(problem)}
