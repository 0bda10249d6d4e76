"""A reward model that leaves the language model as it is: a linear head on features of its layers.

Folder: `backbone/` (the language model), `head.safetensors` and `head.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.exchange.wording import gettext_noop
from annotation.lm.chat import Chat
from annotation.lm.loading import PolicyUnavailable, brief, load_causal_lm
from rewardmodel.learning.configs.reward import SECOND_JUDGE
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.reward.features import (
    ATTENTION,
    POOLINGS,
    FeatureReader,
    log_lengths,
    read_features,
)

HEAD = "head.json"
WEIGHTS = "head.safetensors"
BACKBONE = "backbone"
DAMAGED = gettext_noop("The reward model at {folder} is damaged ({problem}): train it again.")


@dataclass(frozen=True)
class Recipe:
    """What a head reads of an answer: hidden states, by layer and pooling, and perhaps its length.

    `layers` and `poolings` make one block of features each way; ATTENTION reads one layer.
    """

    layers: tuple[int, ...]
    poolings: tuple[str, ...]
    length: bool = True

    @property
    def name(self) -> str:
        """In a few words, such as "mean of layer 20, length"."""
        layers = ", ".join(map(str, self.layers))
        hidden = [f"{' and '.join(self.poolings)} of layer {layers}"] if self.layers else []
        return ", ".join([*hidden, *(["length"] if self.length else [])])


@dataclass(frozen=True)
class Head:
    """`weights` of the features as they are read, and the posterior covariance of these weights,
    for a given `query` where the recipe reads by ATTENTION.

    Scores are in nats of preference: sigmoid(s_i - s_j) is the chance that i is preferred.
    """

    recipe: Recipe
    weights: Float[Tensor, " width"]
    covariance: Float[Tensor, "width width"]
    query: Float[Tensor, " hidden"] | None = None

    def scores(self, features: Float[Tensor, "K width"]) -> Float[Tensor, " K"]:
        return features.to(self.weights) @ self.weights

    def deviations(self, features: Float[Tensor, "K width"]) -> Float[Tensor, " K"]:
        """How unsure the head is of each answer's score, against the mean of its group's."""
        return self.doubts(features - features.mean(0)).diagonal().clamp(min=0).sqrt()

    def doubts(self, apart: Float[Tensor, "n width"]) -> Float[Tensor, "n n"]:
        """Of scores whose features lie so far apart, the posterior covariances of w . d_i, which
        are d_i' covariance d_j: on the diagonal how unsure the head is of each."""
        apart = apart.to(self.covariance)
        return apart @ self.covariance @ apart.T

    def directions(self) -> dict[int, Float[Tensor, " hidden"]]:
        """What the mean over an answer's tokens, or what stands for it by ATTENTION, is weighted
        by in each layer: along it every token has a score of its own, of which the answer's is the
        same mean."""
        recipe = self.recipe
        named = [(layer, pooling) for layer in recipe.layers for pooling in recipe.poolings]
        hidden = len(self.weights) - recipe.length
        blocks = self.weights[:hidden].float().chunk(len(named)) if named else ()
        return {
            layer: block
            for (layer, pooling), block in zip(named, blocks, strict=True)
            if pooling in ("mean", ATTENTION)
        }

    def without_length(self) -> Head:
        """The head with the part of the length taken out, for whoever asks what is left then."""
        if not self.recipe.length:
            return self
        weights = self.weights.clone()
        weights[-1] = 0
        return replace(self, weights=weights)


class LinearProbe(nn.Module):
    """Scores the answers of packed groups: a frozen language model, and a head on its layers."""

    def __init__(self, network: PreTrainedModel, group_tokens: int, head: Head) -> None:
        super().__init__()
        self.network, self.group_tokens, self.head = network, group_tokens, head
        self.reader = FeatureReader(network, head.recipe.layers or (1,), head.query)

    def choose_layout(self, longest: int) -> Layout:
        """`longest`: tokens of a row."""
        return choose_layout(self.reader, self.network, longest)

    def features(
        self, layout: Layout, groups: Sequence[EncodedGroup], pad: int, tokens: int
    ) -> list[Float[Tensor, "_ width"]]:
        """What the head is given of each group's answers; `tokens` bounds one forward pass."""
        lengths = [log_lengths(group) for group in groups]
        if not self.head.recipe.layers:
            return [each[:, None] for each in lengths]
        hidden = read_features(self.reader, layout, groups, pad, tokens)
        return [
            chosen_features(self.head.recipe, self.reader.layers, *both)
            for both in zip(hidden, lengths, strict=True)
        ]

    def save(self, folder: Path, chat: Chat, reward_mean: float, reward_std: float) -> None:
        """The backbone is an ordinary Hugging Face model, with its tokenizer."""
        folder.mkdir(exist_ok=True)
        backbone = backbone_of(folder)
        if not backbone.is_dir():
            self.network.save_pretrained(backbone)
            chat.save(backbone)
        head = self.head
        tensors = {"weights": head.weights, "covariance": head.covariance}
        if head.query is not None:
            tensors["query"] = head.query
        save_file({name: each.contiguous() for name, each in tensors.items()}, folder / WEIGHTS)
        facts = {
            "group_tokens": self.group_tokens,
            "reward_mean": reward_mean,
            "reward_std": reward_std,
            **asdict(head.recipe),
        }
        (folder / HEAD).write_text(json.dumps(facts, indent=2), encoding="utf-8")


def chosen_features(
    recipe: Recipe,
    layers: Sequence[int],
    hidden: Float[Tensor, "K layers poolings hidden"],
    lengths: Float[Tensor, " K"],
) -> Float[Tensor, "K width"]:
    """Those that the recipe names, of all that were read of `layers`."""
    poolings = (*POOLINGS, ATTENTION)
    blocks = [
        hidden[:, layers.index(layer), poolings.index(pooling)]
        for layer in recipe.layers
        for pooling in recipe.poolings
    ]
    return torch.cat([*blocks, *([lengths[:, None]] if recipe.length else [])], dim=1)


def is_probe(folder: str) -> bool:
    return Path(folder, HEAD).is_file()


def backbone_of(folder: str | Path) -> Path:
    """A second judge reads the backbone that it lies beside, where there is one."""
    beside = Path(folder).parent / BACKBONE
    is_second = Path(folder).name == SECOND_JUDGE and beside.is_dir()
    return beside if is_second else Path(folder, BACKBONE)


def reads(folder: str, network: PreTrainedModel) -> bool:
    """Whether a probe's backbone has exactly the weights of `network`."""
    weights, files = network.state_dict(), sorted(backbone_of(folder).glob("*.safetensors"))
    for file in files:
        with safe_open(file, "pt") as stored:
            for name in stored.keys():  # noqa: SIM118 (no dictionary)
                own = weights.get(name)
                if own is None or not torch.equal(own.cpu(), stored.get_tensor(name).to(own.dtype)):
                    return False
    return bool(files)


def load_probe(
    folder: str, network: PreTrainedModel | None = None
) -> tuple[LinearProbe, float, float]:
    """The probe on the CPU with its rewards' mean and deviation; on `network`, which has the
    weights of its backbone, where one is given. Raises PolicyUnavailable."""
    try:
        facts = json.loads(Path(folder, HEAD).read_text(encoding="utf-8"))
        tensors = load_file(Path(folder, WEIGHTS))
        recipe = Recipe(tuple(facts["layers"]), tuple(facts["poolings"]), facts["length"])
        query = tensors["query"] if ATTENTION in recipe.poolings else None
        head = Head(recipe, tensors["weights"], tensors["covariance"], query)
        scale = float(facts["reward_mean"]), float(facts["reward_std"])
        longest = int(facts["group_tokens"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise PolicyUnavailable(DAMAGED, folder=folder, problem=brief(error)) from error
    network = network or load_causal_lm(str(backbone_of(folder)), torch.float32)
    return LinearProbe(network, longest, head), *scale
