"""Stage 3 without a gradient pass: every answer is read once, and a head fitted to that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.row_report import row_sentence
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot import PreferenceData
from rewardmodel.learning.reward.attention import (
    attended_features,
    best_mean,
    head_with_query,
    mean_of,
    with_attention,
)
from rewardmodel.learning.reward.backbone import Backbone
from rewardmodel.learning.reward.choice import FIRST_SPREAD, Choice, Trial, choose_head
from rewardmodel.learning.reward.feature_cache import Features
from rewardmodel.learning.reward.learned import Learned, Scores
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_target
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe, chosen_features
from rewardmodel.learning.reward.report import curve_point
from rewardmodel.learning.reward.tokens import TokenStates
from rewardmodel.learning.reward.training_set import (
    demonstrations_of,
    encode_training_set,
    nested_parts,
)


def load_backbone(config: RewardConfig, device: torch.device) -> Backbone:
    """Raises the errors of loading."""
    chat = Chat(load_tokenizer(config.base_model))
    network = load_causal_lm(config.base_model, torch.float32)
    require_embeddings(network, chat)
    network.to(device).eval()  # type: ignore[arg-type]
    use_onednn(network)
    kept = Path(config.features) if config.features else None
    return Backbone(config.base_model, network, chat, config.group_tokens, kept)


def fit_probe(
    config: RewardConfig, run: RunFolder, backbone: Backbone, rows: PreferenceData
) -> Learned:
    """Raises TrainingFailure."""
    chat = backbone.chat
    targets = [preference_target(row, config, torch.device("cpu")) for row in rows.train]
    data = encode_training_set(config, rows, targets, chat, backbone.longest)
    used = len(data.groups) + len(data.heldout)
    run.tell(row_sentence("groups", used, rows.skipped, data.shortened))
    read = read_groups_with(
        backbone,
        config,
        rows,
        lambda done, total: run.progress("reading", done, total),
        [*data.groups, *data.heldout, *data.demonstrations],
    )
    run.progress("training", 0, 1)
    every = range(len(data.groups))
    choice = read.choice(every)
    layer = best_mean(choice.trials)
    read.tokens_at(layer)
    run.progress("training", 0, 1)
    choice = read.attending(choice, every, layer)
    scores = read.scores(choice.head)
    curve = []
    for part in nested_parts(len(data.groups), config.seed, 1):
        fitted = read.attending(read.choice(part), part, layer)
        heldout = read.scores(fitted.head).heldout
        curve.append(curve_point(len(part), metrics_of(heldout, rows.heldout)))
    curve.append(curve_point(len(data.groups), metrics_of(scores.heldout, rows.heldout)))
    run.progress("training", 1, 1)
    model = LinearProbe(backbone.network, backbone.longest, choice.head)
    metrics = {
        "chosen": choice.report(),
        "heldout_without_length": read.without_length(choice.head),
        "learning_curve": curve,
        "steps": 0,
    }
    return Learned(
        data,
        scores,
        metrics,
        lambda folder, mean, std: model.save(folder, chat, mean, std),
        network=backbone.network,
        by_head=read.scores,
    )


def read_groups_with(
    backbone: Backbone,
    config: RewardConfig,
    rows: PreferenceData,
    tell: Callable[[int, int], None] = lambda done, total: None,
    encoded: Sequence[EncodedGroup] | None = None,
) -> ReadGroups:
    """Everything that a head is fitted to or judged by; `tell` is told answers read, and in all.
    `encoded` are their tokens, where they are known."""
    every = [
        *(row.asked for row in (*rows.train, *rows.heldout)),
        *((row.prompt, [row.answer]) for row in demonstrations_of(config)),
    ]
    total = sum(len(answers) for _, answers in every)
    tokens, layers = config.tokens_per_batch, backbone.layers_in_memory(encoded or ())
    features = backbone.read(every, tokens, lambda done: tell(done, total), encoded, layers)

    @cache
    def tokens_at(layer: int) -> list[TokenStates]:
        if layer in layers:
            return [each.tokens[layer] for each in features]
        return backbone.read_tokens(every, layer, tokens, lambda done: tell(done, total), encoded)

    return ReadGroups(config, rows, backbone.layers, features, tokens_at)


@dataclass(frozen=True)
class ReadGroups:
    """`features` are of the groups to learn from, of held-out ones, and of demonstrations;
    `tokens_at` reads their tokens as one layer sees them, once."""

    config: RewardConfig
    rows: PreferenceData
    layers: tuple[int, ...]
    features: list[Features]
    tokens_at: Callable[[int], list[TokenStates]]

    def choice(
        self,
        groups: Sequence[int],
        only: Sequence[Recipe] | None = None,
        near: float = FIRST_SPREAD,
    ) -> Choice:
        """From those of the groups to learn from; `only` and `near` as in `choose_head`."""
        return choose_head(
            [self.features[i].hidden for i in groups],
            self.layers,
            [self.features[i].log_lengths for i in groups],
            *self._said(groups),
            only,
            near,
        )

    def attending(self, choice: Choice, groups: Sequence[int], layer: int) -> Choice:
        """That choice from these groups, or a head that weighs the tokens that `layer` gives, where
        that is better."""
        mean = mean_of(choice.trials, layer)
        tokens = self.tokens_at(layer)
        by_mean = [features_of(mean.recipe, self.layers, self.features[i]) for i in groups]
        own = [tokens[i] for i in groups]
        return with_attention(choice, mean, by_mean, own, *self._said(groups))

    def _said(self, groups: Sequence[int]) -> tuple[list[PreferenceTarget], list[str]]:
        """What people said of the groups, and which prompt each has."""
        rows = [self.rows.train[i] for i in groups]
        targets = [preference_target(row, self.config, torch.device("cpu")) for row in rows]
        return targets, [prompt_key(row.prompt) for row in rows]

    def refitted(self, query: Float[Tensor, " hidden"], trial: Trial, temperature: float) -> Head:
        """A head with that query, fitted to all groups to learn from."""
        every = range(len(self.rows.train))
        tokens = self.tokens_at(*trial.recipe.layers)[: len(every)]
        attended = attended_by(query, tokens, self.features[: len(every)])
        return head_with_query(query, trial, temperature, attended, self._said(every)[0])

    def scores(self, head: Head) -> Scores:
        """Of all groups by that head, without another pass where it reads no tokens, or those of a
        layer that have been read."""
        tokens = None if head.query is None else self.tokens_at(*head.recipe.layers)
        found = [head.scores(each) for each in read_by(head, self.layers, self.features, tokens)]
        first = len(self.rows.train)
        second = first + len(self.rows.heldout)
        return Scores(found[:first], found[first:second], found[second:])

    @property
    def heldout_log_lengths(self) -> list[list[float]]:
        """Of the held-out groups' answers."""
        first = len(self.rows.train)
        heldout = self.features[first : first + len(self.rows.heldout)]
        return [each.log_lengths.tolist() for each in heldout]

    def without_length(self, head: Head) -> dict[str, Any]:
        heldout = self.scores(head.without_length()).heldout
        return asdict(metrics_of(heldout, self.rows.heldout))


def read_by(
    head: Head,
    layers: Sequence[int],
    features: Sequence[Features],
    tokens: Sequence[TokenStates] | None = None,
) -> list[Float[Tensor, "_ width"]]:
    """What the head reads of groups that were read at `layers`; `tokens` are those of its layer,
    where it has a query."""
    if head.query is None or tokens is None:
        return [features_of(head.recipe, layers, each) for each in features]
    return attended_by(head.query, tokens, features)


def attended_by(
    query: Float[Tensor, " hidden"], tokens: Sequence[TokenStates], features: Sequence[Features]
) -> list[Float[Tensor, "_ width"]]:
    """What a head with that query reads of groups."""
    both = zip(tokens, features, strict=True)
    return [attended_features(query, own, each.log_lengths[:, None]) for own, each in both]


def features_of(recipe: Recipe, layers: Sequence[int], read: Features) -> Float[Tensor, "K width"]:
    return chosen_features(recipe, layers, read.hidden, read.log_lengths)
