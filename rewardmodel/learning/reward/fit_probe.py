"""Stage 3 without a gradient pass: every answer is read once, and a head fitted to that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
from rewardmodel.learning.reward.backbone import Backbone
from rewardmodel.learning.reward.choice import FIRST_SPREAD, Choice, choose_head
from rewardmodel.learning.reward.feature_cache import Features
from rewardmodel.learning.reward.learned import Learned, Scores
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe, chosen_features
from rewardmodel.learning.reward.report import curve_point
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
    curve = []
    for part in nested_parts(len(data.groups), config.seed, 1):
        heldout = read.scores(read.choice(part).head).heldout
        curve.append(curve_point(len(part), metrics_of(heldout, rows.heldout)))
    choice = read.choice(range(len(data.groups)))
    scores = read.scores(choice.head)
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
    tokens = config.tokens_per_batch
    features = backbone.read(every, tokens, lambda done: tell(done, total), encoded)
    return ReadGroups(config, rows, backbone.layers, features)


@dataclass(frozen=True)
class ReadGroups:
    """`features` are of the groups to learn from, of held-out ones, and of demonstrations."""

    config: RewardConfig
    rows: PreferenceData
    layers: tuple[int, ...]
    features: list[Features]

    def choice(
        self,
        groups: Sequence[int],
        only: Sequence[Recipe] | None = None,
        near: float = FIRST_SPREAD,
    ) -> Choice:
        """From those of the groups to learn from; `only` and `near` as in `choose_head`."""
        train = self.rows.train
        return choose_head(
            [self.features[i].hidden for i in groups],
            self.layers,
            [self.features[i].log_lengths for i in groups],
            [preference_target(train[i], self.config, torch.device("cpu")) for i in groups],
            [prompt_key(train[i].prompt) for i in groups],
            only,
            near,
        )

    def scores(self, head: Head) -> Scores:
        """Of all groups by that head, without another pass."""
        found = [score_with(head, self.layers, each) for each in self.features]
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


def score_with(head: Head, layers: Sequence[int], read: Features) -> Float[Tensor, " K"]:
    """What the head makes of a group that was read at `layers`."""
    return head.scores(chosen_features(head.recipe, layers, read.hidden, read.log_lengths))
