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


class PolicyUnavailable(Exception):
    """A policy that cannot be loaded or used; the text is one sentence that says why."""


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
    tokenizer = load_tokenizer(source.base_model)
    device = default_device()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = load_causal_lm(source.base_model, dtype)
    require_embeddings(model, Chat(tokenizer))
    if source.adapter is not None:
        adapted = with_adapter(model, source.adapter, is_trainable=False)
        model = cast("PreTrainedModel", adapted.merge_and_unload())
    model.to(device)  # type: ignore[arg-type]
    return model.train(False), tokenizer


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """A tokenizer with a chat template, and padding that is not the end-of-turn token where it has
    another special token. What is odd about the template is logged."""
    from transformers import AutoTokenizer

    _require_folder(name, "model")
    try:
        tokenizer = cast(
            "PreTrainedTokenizerBase", AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        )
        chat = Chat(tokenizer)
    except ChatError as error:
        raise PolicyUnavailable(f"The model at {name} cannot chat: {error}") from error
    except DAMAGE as error:
        reason = f"No tokenizer could be loaded from {name}: {brief(error)}"
        raise PolicyUnavailable(reason) from error
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

    _require_folder(name, "model")
    with loading(name, f"No model could be loaded from {name}"):
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    architectures = config.architectures
    if architectures and not set(architectures) & set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()):
        raise PolicyUnavailable(
            f"The model at {name} is a {architectures[0]}, not a causal language model."
        )
    quantization = getattr(config, "quantization_config", None)
    if quantization is not None:
        method = dict(quantization).get("quant_method", "in a way it does not name")
        raise PolicyUnavailable(
            f"The weights at {name} are quantized ({method}): name the model that they were made "
            "from, whose weights are whole."
        )
    return str(config.model_type)


def load_causal_lm(name: str, dtype: torch.dtype) -> PreTrainedModel:
    """The weights on the CPU. Raises PolicyUnavailable."""
    from transformers import AutoModelForCausalLM

    require_causal_lm(name)
    with loading(name, f"No model could be loaded from {name}"):
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
        raise PolicyUnavailable(
            f"The tokenizer has the token {beyond[0]!r} and {len(beyond) - 1} others that the "
            f"model, with embeddings of {rows}, does not know: call resize_token_embeddings and "
            "save the model again."
        )


@contextmanager
def loading(name: str, problem: str) -> Iterator[None]:
    """Turns what loading weights from `name` may raise into PolicyUnavailable with the problem."""
    try:
        yield
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise PolicyUnavailable(f"Not enough memory to load {name}.") from error
        raise PolicyUnavailable(f"{problem}: {brief(error)}") from error


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
        raise PolicyUnavailable(f"There is no adapter folder at {adapter}.")
    _require_folder(adapter, "adapter")
    try:
        yield
    except DAMAGE as error:
        raise PolicyUnavailable(
            f"The adapter at {adapter} does not fit its base model: {brief(error)}"
        ) from error


def _require_folder(name: str, what: str) -> None:
    """A hub name has the form owner/name or name; all else must be a folder that is there."""
    looks_like_path = name.startswith(("/", ".", "~")) or name.count("/") > 1
    if looks_like_path and not Path(name).is_dir():
        raise PolicyUnavailable(f"There is no {what} folder at {name}.")
    config = {"model": "config.json", "adapter": "adapter_config.json"}[what]
    if Path(name).is_dir() and not Path(name, config).is_file():
        raise PolicyUnavailable(f"The folder {name} holds no {what}: it has no {config}.")
