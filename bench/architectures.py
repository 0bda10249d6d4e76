"""Every causal architecture of transformers, tiny and random: read and sampled right, or refused?

    nice python -m bench.architectures [NAME ...] > table.md

Each is built with a few small layers and random weights, and what the engine makes of it compared
with its own forward pass of one row at a time, without cache, packing or padding. A minute or two
for most; the whole takes an hour on a busy core.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    set_seed,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.utils import logging as transformers_logging

from annotation.lm.decoding import WAYS, Decoder, PlainDecoder, way_to_decode
from annotation.lm.loading import DAMAGE, PolicyUnavailable, brief
from annotation.lm.shared_prompt_attention import use_group_attention
from bench.architecture_sizes import WITHOUT_A_TINY_FORM, tiny_config
from rewardmodel.learning.core.adapters import with_fresh_adapter
from rewardmodel.learning.core.group_packing import AnswerLogProbs, EncodedGroup, pack
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.text_packing import Segment, TokenLosses, choose_row_layout
from rewardmodel.learning.core.text_packing import pack as pack_text
from rewardmodel.learning.reward.model import RewardModel

SECONDS = 240
LONGEST = 64
TOLERANCE = 5e-3
GROUPS = [
    EncodedGroup(list(range(20, 43)), [[5, 6, 7], [8, 9], list(range(50, 66))]),
    EncodedGroup([11, 12, 13, 14], [[15], [16, 17, 18, 19]]),
]
TEXT = [list(range(30, 47)), list(range(60, 72))]
PROMPTS = [[21, 22, 23, 24, 25], [26, 27], [38, 39, 40, 41, 42, 43, 44, 45, 46]]
OWNER = torch.tensor([0, 0, 0, 1, 2, 2])
COLUMNS = ("architecture", "groups", "text", "sampling", "reward model", "adapter")


def main(names: list[str]) -> None:
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _too_slow)
    print("|" + " | ".join(COLUMNS) + "|", "|" + "---|" * len(COLUMNS), sep="\n")
    for name in names:
        parts = (_groups, _text, _sampling, _reward_model, _adapter)
        cells = [_outcome(partial(part, name)) for part in parts]
        print("|" + " | ".join([name, *cells]) + "|", flush=True)


def _outcome(work: Callable[[], str]) -> str:
    signal.alarm(SECONDS)
    try:
        return work()
    except PolicyUnavailable as error:
        return f"refused: {brief(error)}"
    except (*DAMAGE, NotImplementedError) as error:
        return f"**{type(error).__name__}**: {brief(error)[:100]}"
    finally:
        signal.alarm(0)


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def _model(name: str) -> PreTrainedModel:
    set_seed(0)
    config = tiny_config(name)
    return _random(AutoModelForCausalLM.from_config(config))  # type: ignore[no-untyped-call]


def _random(model: nn.Module) -> PreTrainedModel:
    """Attention sinks and the like, which begin as 0 or as nothing, say something too."""
    for name, parameter in model.named_parameters():
        if "sink" in name or not parameter.isfinite().all():
            nn.init.normal_(parameter)
    return cast(PreTrainedModel, model.train(False))


def _judged(found: Tensor, expected: Tensor, how: str) -> str:
    off = float((found - expected).abs().max() / expected.abs().max())
    return how if off <= TOLERANCE else f"**off by {off:.2g}** ({how})"


@torch.no_grad()
def _groups(name: str) -> str:
    """Log probabilities of answers, as stages 3 and 4 read them."""
    model = _model(name)
    expected = torch.cat([_log_probs(model, g.prompt, a) for g in GROUPS for a in g.answers])
    module = AnswerLogProbs(model)
    layout = choose_layout(module, model, LONGEST)
    return _judged(module(layout(GROUPS, 0)), expected, "packed" if layout is pack else "rows")


@torch.no_grad()
def _text(name: str) -> str:
    """Losses of text, as stages 1 and 2 read it."""
    model = _model(name)
    expected = -torch.cat([_log_probs(model, ids[:1], ids[1:]) for ids in TEXT])
    module = TokenLosses(model)
    layout = choose_row_layout(module, LONGEST)
    segments = [Segment(torch.tensor(ids[:-1]), torch.tensor(ids[1:])) for ids in TEXT]
    return _judged(
        module(layout([segments])), expected, "packed" if layout is pack_text else "rows"
    )


def _log_probs(model: PreTrainedModel, prompt: list[int], answer: list[int]) -> Tensor:
    logits = model(torch.tensor([prompt + answer]), use_cache=False).logits[0, len(prompt) - 1 : -1]
    return cast(Tensor, logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0])


@torch.no_grad()
def _sampling(name: str) -> str:
    model = _model(name)
    way = way_to_decode(model, LONGEST)
    prompts = PROMPTS if way.mixes_lengths else [PROMPTS[0]] * 3
    expected = _decoded(PlainDecoder(model, prompts, OWNER, 0))
    if way.shares:
        use_group_attention(model)
    [said] = [name for name, each in WAYS.items() if each == way]
    return _judged(_decoded(way.decoder(model, prompts, OWNER, 0)), expected, said)


def _decoded(decoder: Decoder) -> Tensor:
    """Logits of a decoding in which rows end, of one prompt all of them."""
    found = [decoder.logits, decoder.read(torch.tensor([5, 6, 7, 8, 9, 10]))]
    decoder.keep(torch.tensor([0, 2, 4, 5]))
    found.append(decoder.read(torch.tensor([11, 12, 13, 14])))
    decoder.keep(torch.tensor([1, 3]))
    found += [decoder.read(torch.tensor([token, 21])) for token in range(15, 27)]
    return torch.cat(found)


@torch.no_grad()
def _reward_model(name: str) -> str:
    if name not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        return "refused: no classifier in transformers"
    set_seed(0)
    config = tiny_config(name)
    network = _random(AutoModelForSequenceClassification.from_config(config))  # type: ignore[no-untyped-call]
    if not isinstance(getattr(network, "score", None), nn.Linear):
        return "refused: no linear 'score' head"
    model = RewardModel(network)
    ids = [torch.tensor([g.prompt + a]) for g in GROUPS for a in g.answers]
    expected = torch.stack([network(each, use_cache=False).logits[0, 0] for each in ids])
    layout = model.choose_layout(LONGEST)
    return _judged(model(layout(GROUPS, 0)), expected, "packed" if layout is pack else "rows")


def _adapter(name: str) -> str:
    with_fresh_adapter(_model(name), 4)
    return "yes"


if __name__ == "__main__":
    known = [n for n in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES if n not in WITHOUT_A_TINY_FORM]
    main(sys.argv[1:] or known)
