"""What a reward model learns from: groups as tokens, and what each of them is to teach."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from annotation.lm.chat import Chat
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.group_packing import EncodedGroup, cut_of, truncate
from rewardmodel.learning.core.snapshot import PreferenceData, naming, read_demonstrations
from rewardmodel.learning.core.snapshot_rows import DemonstrationRow, GroupRow
from rewardmodel.learning.reward.model import encode
from rewardmodel.learning.reward.preferences import PreferenceTarget

DEMONSTRATIONS = 200
"""Enough for a mean."""


@dataclass(frozen=True)
class TrainingSet:
    """`groups` to train on with a target each, held-out ones, and how many were `shortened` how.

    Ranked groups come before those that are not, as in `PreferenceData.with_unranked`.
    `demonstrations` are answers that people wrote to training prompts, which show where the
    scale's 0 is to be. `pad` is the token that fills rows up.
    """

    groups: list[EncodedGroup]
    targets: list[PreferenceTarget]
    heldout: list[EncodedGroup]
    demonstrations: list[EncodedGroup]
    shortened: Counter[str]
    pad: int


def encode_training_set(
    config: RewardConfig,
    data: PreferenceData,
    targets: list[PreferenceTarget],
    chat: Chat,
    longest: int,
) -> TrainingSet:
    """Prompts and answers of at most `longest` tokens together."""
    groups, shortened = encode_rows(chat, data.with_unranked("train"), longest)
    heldout, heldout_shortened = encode_rows(chat, data.with_unranked("heldout"), longest)
    return TrainingSet(
        groups=groups,
        targets=targets,
        heldout=heldout,
        demonstrations=_demonstrations(chat, config, longest),
        shortened=shortened + heldout_shortened,
        pad=chat.pad,
    )


def encode_rows(
    chat: Chat, rows: list[GroupRow], longest: int
) -> tuple[list[EncodedGroup], Counter[str]]:
    """The rows' tokens, and how many had to be shortened how."""
    whole = []
    for row in rows:
        with naming("Group", row.id):
            whole.append(encode(chat, row.prompt, row.answers))
    groups = [truncate(group, longest) for group in whole]
    cuts = [cut_of(*both) for both in zip(whole, groups, strict=True)]
    return groups, Counter(cut for cut in cuts if cut is not None)


def demonstrations_of(config: RewardConfig) -> list[DemonstrationRow]:
    """Those whose mean score is to be 0."""
    if not config.demonstrations:
        return []
    data = read_demonstrations(Path(config.demonstrations), config.heldout_percent)
    return data.train[:DEMONSTRATIONS]


def _demonstrations(chat: Chat, config: RewardConfig, longest: int) -> list[EncodedGroup]:
    groups = []
    for row in demonstrations_of(config):
        with naming("Demonstration", row.id):
            groups.append(truncate(encode(chat, row.prompt, [row.answer]), longest))
    return groups


def nested_parts(groups: int, seed: int, least: int) -> list[list[int]]:
    """A quarter and a half of the groups, in random order, where that leaves `least` or more."""
    order = torch.randperm(groups, generator=torch.Generator().manual_seed(seed)).tolist()
    sizes = dict.fromkeys((groups // 4, groups // 2))
    return [order[:size] for size in sizes if size >= max(1, least)]
