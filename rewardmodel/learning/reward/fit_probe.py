"""Stage 3 without a gradient pass: every answer is read once, and a head fitted to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from annotation.exchange.split import prompt_key
from annotation.lm.chat import Chat
from annotation.lm.context import within_context
from annotation.lm.cpu_linear import use_onednn
from annotation.lm.loading import load_causal_lm, load_tokenizer, require_embeddings
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.group_packing import choose_layout
from rewardmodel.learning.core.row_report import row_sentence
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.snapshot import PreferenceData
from rewardmodel.learning.reward.choice import Choice, choose_head, layers_to_read
from rewardmodel.learning.reward.features import (
    FeatureReader,
    decoder_layers,
    log_lengths,
    read_features,
)
from rewardmodel.learning.reward.learned import Learned, Scores
from rewardmodel.learning.reward.metrics import metrics_of
from rewardmodel.learning.reward.preferences import target_of
from rewardmodel.learning.reward.probe import Head, LinearProbe, chosen_features
from rewardmodel.learning.reward.report import curve_point
from rewardmodel.learning.reward.training_set import (
    TrainingSet,
    encode_training_set,
    nested_parts,
)


def fit_probe(
    config: RewardConfig, run: RunFolder, device: torch.device, rows: PreferenceData
) -> Learned:
    """Raises TrainingFailure and the errors of loading."""
    chat = Chat(load_tokenizer(config.base_model))
    network = load_causal_lm(config.base_model, torch.float32)
    require_embeddings(network, chat)
    longest = within_context(network, config.group_tokens, "group_tokens")
    network.to(device).eval()  # type: ignore[arg-type]
    use_onednn(network)
    targets = [target_of(row, config, torch.device("cpu")) for row in rows.train]
    data = encode_training_set(config, rows, targets, chat, longest)
    used = len(data.groups) + len(data.heldout)
    run.tell(row_sentence("groups", used, rows.skipped, data.shortened))

    reader = FeatureReader(network, layers_to_read(len(decoder_layers(network))))
    layout = choose_layout(reader, network, longest)
    every = [*data.groups, *data.heldout, *data.demonstrations]
    answers = sum(len(group.answers) for group in every)
    hidden = read_features(
        reader,
        layout,
        every,
        chat.pad,
        config.tokens_per_batch,
        lambda read: run.progress("reading", read, answers),
    )
    read = _Read(rows, data, reader.layers, hidden, [log_lengths(group) for group in every])

    run.progress("training", 0, 1)
    curve = []
    for part in nested_parts(len(data.groups), config.seed, 1):
        heldout = read.scores(read.choice(part).head).heldout
        curve.append(curve_point(len(part), metrics_of(heldout, rows.heldout)))
    choice = read.choice(range(len(data.groups)))
    scores = read.scores(choice.head)
    curve.append(curve_point(len(data.groups), metrics_of(scores.heldout, rows.heldout)))
    run.progress("training", 1, 1)
    model = LinearProbe(network, longest, choice.head)
    metrics = {
        "chosen": choice.report(),
        "heldout_without_length": read.without_length(choice.head),
        "learning_curve": curve,
        "steps": 0,
    }
    return Learned(
        data, scores, metrics, lambda folder, mean, std: model.save(folder, chat, mean, std)
    )


@dataclass(frozen=True)
class _Read:
    """What was read of all groups: those to learn from, held-out ones, demonstrations."""

    rows: PreferenceData
    data: TrainingSet
    layers: tuple[int, ...]
    hidden: list[Tensor]
    lengths: list[Tensor]

    def choice(self, groups: Sequence[int]) -> Choice:
        """From those of the groups to learn from."""
        return choose_head(
            [self.hidden[i] for i in groups],
            self.layers,
            [self.lengths[i] for i in groups],
            [self.data.targets[i] for i in groups],
            [prompt_key(self.rows.train[i].prompt) for i in groups],
        )

    def scores(self, head: Head) -> Scores:
        """Of all groups by that head, without another pass."""
        found = [
            head.scores(chosen_features(head.recipe, self.layers, *both))
            for both in zip(self.hidden, self.lengths, strict=True)
        ]
        first, second = len(self.data.groups), len(self.data.groups) + len(self.data.heldout)
        return Scores(found[:first], found[first:second], found[second:])

    def without_length(self, head: Head) -> dict[str, Any]:
        heldout = self.scores(head.without_length()).heldout
        return asdict(metrics_of(heldout, self.rows.heldout))
