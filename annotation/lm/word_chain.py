"""A look inside: what a policy makes of the next token, and two ways to write with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from annotation.lm.loading import PolicySource, PolicyUnavailable
from annotation.lm.sampler import derive_seed
from annotation.lm.token_choice import draw, noise_of, probabilities_of
from annotation.lm.version import Beginning, Token, Version
from annotation.lm.warm import WarmPolicy

SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the next token is drawn; temperature 0 takes the likeliest, top_k 0 leaves all."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


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
