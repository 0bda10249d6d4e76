"""What a base model's files say of it, without loading it: nothing here imports torch or runs code.

It is what the web process can know. Whether the weights fit the machine shows when they are loaded.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from annotation.exchange.wording import Unreadable, gettext_noop

LARGEST_JSON = 20_000_000  # bytes: an index of shards, a chat template
LONGEST_HEADER = 100_000_000  # bytes, as the safetensors format has it
LONGEST_CARD = 64_000  # characters of a model card or a licence that are read
PATIENCE = 5.0  # seconds that the hub has to answer
ON_THE_HUB = re.compile(r"[\w.-]+(/[\w.-]+)?")
LICENCES = {"Apache License": "apache-2.0", "MIT License": "mit", "BSD 3-Clause": "bsd-3-clause"}
"""Words of a licence's text, and what the hub calls it."""

NOT_THERE = gettext_noop("there is no such folder.")
NOT_ON_THE_HUB = gettext_noop(
    "there is no such folder, and the hub has no such model, or hides it from who is not logged in."
)
NO_CONFIG = gettext_noop("{folder} has no readable config.json.")
NO_LANGUAGE_MODEL = gettext_noop(
    "it is no causal language model (its config.json names {architectures})."
)
UNKNOWN_ARCHITECTURE = gettext_noop(
    "its architecture, {architecture}, is none that the transformers library here can load."
)
QUANTIZED = gettext_noop(
    "its weights are quantized ({method}): name the model that they were made from."
)
NO_WEIGHTS = gettext_noop("{folder} has no safetensors file; other weights are not read.")
NO_SHARD = gettext_noop("the file {shard} of its weights is missing.")
BROKEN_WEIGHTS = gettext_noop(
    "the file {shard} of its weights is cut off, or no safetensors file: fetch it again."
)
NO_TOKENIZER = gettext_noop("{folder} has no tokenizer.")
NO_TEMPLATE = gettext_noop(
    "its tokenizer has no chat template: take a model that was trained to follow instructions, or "
    "save a template with the tokenizer."
)


class UnusableModel(Unreadable):
    """Why a model cannot be a base model: the second half of a sentence."""


@dataclass(frozen=True)
class ModelFacts:
    """`folder` is None for what lies on the hub only, and `is_checked` False where that could not
    be asked; `licence` is "" where nothing says one."""

    architecture: str = ""
    licence: str = ""
    size: int = 0  # bytes of weights
    folder: Path | None = None
    is_checked: bool = True

    @property
    def gigabytes(self) -> float:
        return self.size / 1e9


def facts_of(name: str) -> ModelFacts:
    """Of a folder, or a name on the hub: of the copy here, else what the hub says of it.

    Raises UnusableModel.
    """
    folder = Path(name)
    if _is_folder(folder):
        return facts_of_folder(folder)
    if not ON_THE_HUB.fullmatch(name) or ".." in PurePosixPath(name).parts:
        raise UnusableModel(NOT_THERE)
    cached = copy_here(name)
    return facts_of_folder(cached) if cached else _facts_on_the_hub(name)


def _is_folder(path: Path) -> bool:
    """Not what this process may not look at, nor a name too long to be one."""
    try:
        return path.is_dir()
    except OSError:
        return False


def facts_of_folder(folder: Path) -> ModelFacts:
    """Raises UnusableModel."""
    config = _read_object(folder / "config.json")
    if config is None:
        raise UnusableModel(NO_CONFIG, folder=str(folder))
    architecture = _architecture(config)
    _require_weights(folder)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise UnusableModel(NO_TOKENIZER, folder=str(folder))
    if not _has_template(folder):
        raise UnusableModel(NO_TEMPLATE)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return ModelFacts(architecture, _licence_in(folder), size, folder)


def _architecture(config: Mapping[str, Any]) -> str:
    """Of a causal language model with whole weights. Raises UnusableModel."""
    named = config.get("architectures")
    architectures = [str(each) for each in named] if isinstance(named, list) else []
    causal = [each for each in architectures if each.endswith("ForCausalLM")]
    if not causal:
        said = ", ".join(architectures)[:100] or "none"
        raise UnusableModel(NO_LANGUAGE_MODEL, architectures=said)
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict):
        method = str(quantization.get("quant_method", "?"))[:40]
        raise UnusableModel(QUANTIZED, method=method)
    known = loadable_architectures()
    kind = config.get("model_type", next(iter(known), None))
    if known and (causal[0] not in known.values() or kind not in known):
        raise UnusableModel(UNKNOWN_ARCHITECTURE, architecture=causal[0][:100])
    return causal[0]


@cache
def loadable_architectures() -> dict[str, str]:
    """By `model_type`, what AutoModelForCausalLM knows; empty where its table is not found.

    The table is read from the library's source: to import it would import torch.
    """
    library = find_spec("transformers")
    table = Path(library.origin or "").parent / "models/auto/modeling_auto.py" if library else None
    if table is None or not table.is_file():
        return {}
    for node in ast.parse(table.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(args=[pairs])):
                if name == "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES":
                    return dict(ast.literal_eval(pairs))
    return {}


def _require_weights(folder: Path) -> None:
    """Every shard that an index names is there, or at least one file, and whole. Raises
    UnusableModel."""
    if not any(folder.glob("*.safetensors")):
        raise UnusableModel(NO_WEIGHTS, folder=str(folder))
    index = _read_object(folder / "model.safetensors.index.json") or {}
    placed = index.get("weight_map")
    shards = {str(shard) for shard in placed.values()} if isinstance(placed, dict) else set()
    for shard in sorted(shards):
        if not (folder / PurePosixPath(shard).name).is_file():
            raise UnusableModel(NO_SHARD, shard=shard[:100])
    for file in sorted(folder.glob("*.safetensors")):
        if not _is_whole(file):
            raise UnusableModel(BROKEN_WEIGHTS, shard=file.name[:100])


def _is_whole(file: Path) -> bool:
    """A safetensors file as long as its header says: eight bytes with the header's length, the
    header as JSON with where each tensor begins and ends, the tensors."""
    try:
        with file.open("rb") as weights:
            length = int.from_bytes(weights.read(8), "little")
            header = json.loads(weights.read(length)) if length <= LONGEST_HEADER else {}
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
        return bool(ends) and file.stat().st_size == 8 + length + max(ends)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return False


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    files = ("tokenizer_config.json", "chat_template.json")
    return any((_read_object(folder / name) or {}).get("chat_template") for name in files)


def _licence_in(folder: Path) -> str:
    card = folder / "README.md"
    named = _licence_of_card(_beginning(card)) if card.is_file() else ""
    return named or next((_licence_of_text(_beginning(f)) for f in _licence_files(folder)), "")


def _licence_files(folder: Path) -> Iterable[Path]:
    return (file for file in sorted(folder.glob("LICEN[SC]E*")) if file.is_file())


def _licence_of_card(text: str) -> str:
    """What the head of a model card names."""
    head = re.match(r"\A---\n(.*?)\n---", text, re.DOTALL)
    named = re.search(r"^license:[ \t]*(\S[^\n]{0,60})", head[1], re.MULTILINE) if head else None
    return named[1].strip("\"' ") if named else ""


def _licence_of_text(text: str) -> str:
    known = (name for words, name in LICENCES.items() if words.lower() in text.lower())
    return next(known, text.strip().partition("\n")[0][:80])


def _beginning(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as text:
        return text.read(LONGEST_CARD)


def _read_object(file: Path) -> dict[str, Any] | None:
    """None where there is none, or nothing that can be read."""
    try:
        if file.stat().st_size > LARGEST_JSON:
            return None
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def copy_here(name: str) -> Path | None:
    """What was fetched from the hub before. Raises UnusableModel for what is no name there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        copy = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise UnusableModel(NOT_THERE) from error
    return copy if any(copy.glob("*.safetensors")) else None


def _facts_on_the_hub(name: str) -> ModelFacts:
    """Raises UnusableModel for what the hub knows to be unfit."""
    from httpx2 import HTTPError  # huggingface_hub's own
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = HfApi().model_info(name, timeout=PATIENCE, files_metadata=True)
    except RepositoryNotFoundError as error:
        raise UnusableModel(NOT_ON_THE_HUB) from error
    except (HTTPError, OSError):  # no network, a proxy, a hub that is down
        return ModelFacts(is_checked=False)
    config: dict[str, Any] = found.config or {}
    weights = [each for each in found.siblings or [] if each.rfilename.endswith(".safetensors")]
    if not weights:
        raise UnusableModel(NO_WEIGHTS, folder=name)
    files = {each.rfilename for each in found.siblings or []}
    tokenizer = config.get("tokenizer_config")
    names_one = isinstance(tokenizer, dict) and bool(tokenizer.get("chat_template"))
    if not names_one and not files & {"chat_template.jinja", "chat_template.json"}:
        raise UnusableModel(NO_TEMPLATE)
    tags = [tag.removeprefix("license:") for tag in found.tags or [] if tag.startswith("license:")]
    size = sum(each.size or 0 for each in weights)
    return ModelFacts(_architecture(config), next(iter(tags), ""), size)
