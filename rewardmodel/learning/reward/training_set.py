"""What a reward model learns from: groups as tokens, and what each of them is to teach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from annotation.lm.chat import Chat
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.group_packing import EncodedGroup, truncate
from rewardmodel.learning.core.snapshot import GroupRow, PreferenceData, read_demonstrations
from rewardmodel.learning.reward.model import encode
from rewardmodel.learning.reward.preferences import Target, target_of

DEMONSTRATIONS = 200
"""Enough for a mean."""


@dataclass(frozen=True)
class TrainingSet:
    """`groups` to train on with a target each, held-out ones, and how many were `shortened`.

    `demonstrations` are answers that people wrote to training prompts, which show where the
    scale's 0 is to be. `pad` is the token that fills rows up.
    """

    groups: list[EncodedGroup]
    targets: list[Target]
    heldout: list[EncodedGroup]
    demonstrations: list[EncodedGroup]
    shortened: int
    pad: int


def encode_training_set(
    config: RewardConfig, data: PreferenceData, chat: Chat, longest: int, device: torch.device
) -> TrainingSet:
    """Prompts and answers of at most `longest` tokens together; targets on the device."""
    groups, shortened = _encode_all(chat, data.train, longest)
    heldout, heldout_shortened = _encode_all(chat, data.heldout, longest)
    return TrainingSet(
        groups=groups,
        targets=[target_of(row, config, device) for row in data.train],
        heldout=heldout,
        demonstrations=_demonstrations(chat, config, longest),
        shortened=shortened + heldout_shortened,
        pad=chat.pad,
    )


def _encode_all(chat: Chat, rows: list[GroupRow], longest: int) -> tuple[list[EncodedGroup], int]:
    """The rows' tokens, and how many had to be shortened."""
    whole = [encode(chat, row.prompt, row.answers) for row in rows]
    groups = [truncate(group, longest) for group in whole]
    return groups, sum(a != b for a, b in zip(whole, groups, strict=True))


def _demonstrations(chat: Chat, config: RewardConfig, longest: int) -> list[EncodedGroup]:
    if not config.demonstrations:
        return []
    data = read_demonstrations(Path(config.demonstrations), config.heldout_percent)
    rows = data.train[:DEMONSTRATIONS]
    return [truncate(encode(chat, row.prompt, [row.answer]), longest) for row in rows]
