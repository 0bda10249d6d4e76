"""Where a policy comes from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn

from annotation.exchange.wording import Worded, gettext_noop
from annotation.lm.chat import Chat, ChatError
from annotation.lm.cpu_linear import use_onednn

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

DAMAGE = (
    *(OSError, ValueError, LookupError, ArithmeticError, RuntimeError, MemoryError, ImportError),
    *(TypeError, AttributeError, AssertionError, SafetensorError, StrictDataclassError),
)
"""What transformers and peft raise for a folder whose files are missing, broken or do not fit, or
that want a library which is not installed."""
LONGEST_REASON = 300


class PolicyUnavailable(Worded):
    """A policy that cannot be loaded or used; one sentence says why."""


NO_TOKENIZER = gettext_noop("No tokenizer could be loaded from {name}: {problem}")
NO_MODEL = gettext_noop("No model could be loaded from {name}: {problem}")
NO_MEMORY = gettext_noop("Not enough memory to load {name}.")
NOT_CAUSAL = gettext_noop("The model at {name} is a {kind}, not a causal language model.")
QUANTIZED = gettext_noop(
    "The weights at {name} are quantized ({method}): name the model that they were made from, "
    "whose weights are whole."
)
UNKNOWN_TOKENS = gettext_noop(
    "The tokenizer has the token {token} and {others} others that the model, with embeddings of "
    "{rows}, does not know: call resize_token_embeddings and save the model again."
)
NOT_FITTING = gettext_noop("The adapter at {name} does not fit its base model: {problem}")
NO_MODEL_FOLDER = gettext_noop("There is no model folder at {name}.")
NO_ADAPTER_FOLDER = gettext_noop("There is no adapter folder at {name}.")
NO_MODEL_INSIDE = gettext_noop("The folder {name} holds no model: it has no {file}.")
NO_ADAPTER_INSIDE = gettext_noop("The folder {name} holds no adapter: it has no {file}.")


@dataclass(frozen=True)
class PolicySource:
    """A causal language model, by path or hub name, and the path of a LoRA adapter on it."""

    base_model: str
    adapter: str | None = None


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def load_policy(source: PolicySource) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, adapter merged, ready to sample, and its tokenizer.

    bfloat16 on a GPU, float32 on a CPU. Raises PolicyUnavailable.
    """
    model, tokenizer = load_plain_policy(source)
    use_onednn(model)
    return model, tokenizer


def load_plain_policy(source: PolicySource) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """As `load_policy`, with the layers that transformers gave it."""
    model, tokenizer = load_merged_policy(source)
    model.to(default_device())  # type: ignore[arg-type]
    return model, tokenizer


def load_merged_policy(
    source: PolicySource,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The same, not on a GPU."""
    tokenizer = load_tokenizer(source.base_model)
    dtype = torch.bfloat16 if default_device().type == "cuda" else torch.float32
    model = load_causal_lm(source.base_model, dtype)
    require_embeddings(model, Chat(tokenizer))
    if source.adapter is not None:
        adapted = with_adapter(model, source.adapter, is_trainable=False)
        model = cast("PreTrainedModel", adapted.merge_and_unload())
    return model.train(False), tokenizer


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """A tokenizer with a chat template, and padding that is not the end-of-turn token where it has
    another special token. What is odd about the template is logged."""
    from transformers import AutoTokenizer

    _require_model_folder(name)
    try:
        tokenizer = cast(
            "PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        )
        chat = Chat(tokenizer)
    except ChatError as error:
        raise PolicyUnavailable(error.template, of_model=name, **error.values) from error
    except DAMAGE as error:
        raise PolicyUnavailable(NO_TOKENIZER, name=name, problem=brief(error)) from error
    if chat.pad != chat.end_of_turn:
        tokenizer.pad_token = cast(str, tokenizer.convert_ids_to_tokens(chat.pad))
    if not chat.renders_as_it_asks:
        logger.warning("%s renders answers otherwise than it asks for one; trained as asked.", name)
    elif chat.before_answer.strip():
        logger.warning("Answers of %s begin after %r.", name, chat.before_answer)
    return tokenizer


def require_causal_lm(name: str) -> str:
    """The kind of the model, such as "llama". Raises PolicyUnavailable unless it is a causal
    language model whose weights are whole."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    _require_model_folder(name)
    with loading(name, NO_MODEL):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    architectures = config.architectures
    if architectures and not set(architectures) & set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()):
        raise PolicyUnavailable(NOT_CAUSAL, name=name, kind=architectures[0])
    quantization = getattr(config, "quantization_config", None)
    if quantization is not None:
        method = dict(quantization).get("quant_method", "in a way it does not name")
        raise PolicyUnavailable(QUANTIZED, name=name, method=method)
    return str(config.model_type)


def load_causal_lm(name: str, dtype: torch.dtype) -> PreTrainedModel:
    """The weights on the CPU. Raises PolicyUnavailable."""
    from transformers import AutoModelForCausalLM

    require_causal_lm(name)
    with loading(name, NO_MODEL):
        model = cast(
            "PreTrainedModel",
            AutoModelForCausalLM.from_pretrained(
                name, dtype=dtype, use_safetensors=True, trust_remote_code=False
            ),
        )
    _mend_generation_settings(model)
    return model


def _mend_generation_settings(model: PreTrainedModel) -> None:
    """Settings that contradict each other could not be saved: what they say of sampling goes.

    Ours is `SamplingParameters`; of theirs only the tokens that end an answer count here.
    """
    from transformers import GenerationConfig

    settings = model.generation_config
    if settings is None:
        return
    try:
        settings.validate(strict=True)
    except ValueError as error:
        logger.warning("The generation settings are dropped: %s", brief(error))
        kept = {n: getattr(settings, n) for n in ("bos_token_id", "eos_token_id", "pad_token_id")}
        model.generation_config = GenerationConfig(**kept)  # type: ignore[no-untyped-call]


def require_embeddings(model: PreTrainedModel, chat: Chat) -> None:
    """Raises PolicyUnavailable where the tokenizer has tokens that the model has no embedding for.

    Special tokens that the template never writes may be such: people's text never becomes one.
    """
    rows = cast(nn.Embedding, model.get_input_embeddings()).num_embeddings
    vocabulary = chat.tokenizer.get_vocab()
    beyond = sorted({t for t, index in vocabulary.items() if index >= rows} - chat.unwritten)
    if beyond:
        others = len(beyond) - 1
        raise PolicyUnavailable(UNKNOWN_TOKENS, token=repr(beyond[0]), others=others, rows=rows)


@contextmanager
def loading(name: str, template: str) -> Iterator[None]:
    """Turns what loading weights from `name` may raise into PolicyUnavailable, whose template names
    it and the problem."""
    try:
        yield
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise PolicyUnavailable(NO_MEMORY, name=name) from error
        raise PolicyUnavailable(template, name=name, problem=brief(error)) from error


def brief(error: BaseException) -> str:
    """The first two lines of what the error says, cut where they are long: libraries list a
    hundred classes, or every weight."""
    text = " ".join(str(error).split("\n")[:2]).strip() or type(error).__name__
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "..."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch or Python failed for want of memory (the CPU allocator has no own type)."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def with_adapter(model: PreTrainedModel, adapter: str, *, is_trainable: bool) -> PeftModel:
    """The model with the adapter of that folder. Raises PolicyUnavailable."""
    from peft import PeftModel

    with fitting(adapter):
        return PeftModel.from_pretrained(model, adapter, is_trainable=is_trainable)


@contextmanager
def fitting(adapter: str) -> Iterator[None]:
    """Around reading that folder. Raises PolicyUnavailable."""
    if not Path(adapter).is_dir():
        raise PolicyUnavailable(NO_ADAPTER_FOLDER, name=adapter)
    _require_file(adapter, "adapter_config.json", NO_ADAPTER_INSIDE)
    try:
        yield
    except DAMAGE as error:
        raise PolicyUnavailable(NOT_FITTING, name=adapter, problem=brief(error)) from error


def require_folder(name: str) -> None:
    """A hub name has the form owner/name or name; raises PolicyUnavailable where all else is no
    folder that is there."""
    looks_like_path = name.startswith(("/", ".", "~")) or name.endswith("/") or name.count("/") > 1
    if looks_like_path and not Path(name).is_dir():
        raise PolicyUnavailable(NO_MODEL_FOLDER, name=name)


def _require_model_folder(name: str) -> None:
    require_folder(name)
    _require_file(name, "config.json", NO_MODEL_INSIDE)


def _require_file(folder: str, file: str, template: str) -> None:
    if Path(folder).is_dir() and not Path(folder, file).is_file():
        raise PolicyUnavailable(template, name=folder, file=file)
