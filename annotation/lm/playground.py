"""An answer written for somebody who waits, a moment at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import torch

from annotation.lm.chat import Messages
from annotation.lm.loading import PolicySource, PolicyUnavailable
from annotation.lm.sampler import SamplingParameters, prompt_limit
from annotation.lm.token_choice import choose_tokens, noise_of
from annotation.lm.version import Version
from annotation.lm.warm import WarmPolicy

MOMENT = 0.25  # seconds


@dataclass(frozen=True)
class Written:
    """`tokens` are all so far, with the end token; `finish_reason` is "" where more is to come."""

    tokens: list[int]
    text: str
    finish_reason: Literal["", "stop", "length"]


@torch.inference_mode()
def write(
    source: PolicySource,
    messages: Messages,
    tokens: Sequence[int],
    how: SamplingParameters,
    warm: WarmPolicy,
    *,
    seed: int,
    of: str = "",
    moment: float = MOMENT,
) -> Written:
    """Goes on after `tokens` for so many seconds, by one token at least.

    However often it was interrupted, the answer is the one that the sampler gives for the seed, as
    far as passes of other shapes round alike. `of` names the answer: what was read of it is kept.

    Raises PolicyUnavailable, ChatError.
    """
    until, version = monotonic() + moment, Version(source, warm)
    prompt, so_far = version.chat.prompt_ids(messages), list(tokens)
    if len(prompt) > (room := prompt_limit(version.base.model, how.max_new_tokens)):
        raise PolicyUnavailable(
            f"The conversation has {len(prompt)} tokens; beside an answer of {how.max_new_tokens} "
            f"the model reads {room}. Begin a new one, or ask for a shorter answer."
        )
    generator = torch.Generator(version.base.model.device).manual_seed(seed)
    logits = version.read([*prompt, *so_far], of=of)
    for _ in so_far:  # each token had its own
        noise_of([generator], logits.shape[-1])
    while True:
        noise = noise_of([generator], logits.shape[-1])
        chosen = choose_tokens(logits, noise, how.temperature, how.top_p, how.top_k)
        so_far.append(int(chosen[0]))
        if so_far[-1] in version.ends:
            return Written(so_far, version.chat.answer_text(so_far[:-1]), "stop")
        if len(so_far) >= how.max_new_tokens:
            return Written(so_far, version.chat.answer_text(so_far), "length")
        if monotonic() >= until:
            # The last character may be whole only with the next token.
            return Written(so_far, version.chat.answer_text(so_far).rstrip("\ufffd"), "")
        logits = version.read([*prompt, *so_far], of=of)
