"""Features that were read are kept: those of a frozen model never change."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from annotation.exchange.files import write_aside
from annotation.exchange.jsonl import canonical
from annotation.lm.chat import Messages
from rewardmodel.learning.reward.tokens import TokenStates

Asked = tuple[Messages, Sequence[str]]
"""A prompt and its K answers."""


@dataclass(frozen=True)
class Features:
    """Of one group's answers: hidden states as POOLINGS say, and the logarithm of their tokens.

    `tokens` are those that were read with them and are kept nowhere else, by layer.
    """

    hidden: Float[Tensor, "K layers poolings hidden"]
    log_lengths: Float[Tensor, " K"]
    tokens: Mapping[int, TokenStates] = field(default_factory=dict)

    def rounded(self) -> dict[str, Tensor]:
        """As they are kept: in half precision, each vector by its largest value."""
        scale = self.hidden.abs().amax(-1, keepdim=True).clamp(min=1e-12)
        return {
            "hidden": (self.hidden / scale).half(),
            "scale": scale,
            "log_lengths": self.log_lengths,
        }


class FeatureCache:
    """A folder with a file for each group, named by the SHA-256 of prompt and answers, and one for
    its tokens in each layer whose tokens were read.

    Any of them may be deleted at any time: it is read again. The folder is one backbone's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def knows(self, asked: Asked, layer: int | None = None) -> bool:
        return self._file(asked, layer).is_file()

    def get(self, asked: Asked) -> Features | None:
        """What was kept; None where there is nothing, or only a damaged file."""
        with suppress(OSError, SafetensorError, KeyError):
            return _as_kept(load(self._file(asked).read_bytes()))
        return None

    def put(self, asked: Asked, features: Features) -> Features:
        """As they will be found, so that whoever read them goes on with the same; tokens have files
        of their own."""
        kept = features.rounded()
        for layer, tokens in features.tokens.items():
            self.put_tokens(asked, layer, tokens)
        self._write(self._file(asked), kept)
        return _as_kept(kept)

    def tokens(self, asked: Asked, layer: int) -> TokenStates | None:
        """As `get`, of the tokens that `layer` gave."""
        with suppress(OSError, SafetensorError, TypeError):
            return TokenStates(**load(self._file(asked, layer).read_bytes()))
        return None

    def put_tokens(self, asked: Asked, layer: int, read: TokenStates) -> None:
        kept = {"states": read.states, "scale": read.scale, "answer_of": read.answer_of}
        self._write(self._file(asked, layer), kept)

    def _write(self, path: Path, kept: dict[str, Tensor]) -> None:
        with write_aside(self.folder) as (aside, file):
            file.write(save(kept))
            file.flush()
            aside.replace(path)  # a power cut may lose it: it is read again

    def _file(self, asked: Asked, layer: int | None = None) -> Path:
        prompt, answers = asked
        name = hashlib.sha256(canonical({"prompt": prompt, "answers": list(answers)}).encode())
        of_layer = "" if layer is None else f".{layer}"
        return self.folder / f"{name.hexdigest()}{of_layer}.safetensors"


def _as_kept(kept: Mapping[str, Tensor]) -> Features:
    return Features(kept["hidden"].float() * kept["scale"], kept["log_lengths"])
