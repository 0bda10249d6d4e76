"""What a run reads, known by content: one that goes on must find what it began with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rewardmodel.learning.checkpoints import MANIFEST, read_json, sha256_of
from rewardmodel.learning.configs import Config
from rewardmodel.learning.text import text_files

DATA = ("snapshot", "demonstrations", "pretraining_text")
MODELS = ("base_model", "adapter", "reward_model", "heldout_reward_model")


def fingerprints(config: Config) -> dict[str, str]:
    """SHA-256 of each file or folder of data, and of each model that a run made, by field.

    What is not there has none: its reader says so. Neither has a model from elsewhere.
    """
    named = {name: getattr(config, name, None) for name in (*DATA, *MODELS)}
    paths = {name: Path(value) for name, value in named.items() if value}
    made = {name: paths[name] / MANIFEST for name in MODELS if name in paths}
    return {
        **{name: _of_data(paths[name]) for name in DATA if name in paths and paths[name].exists()},
        **{name: read_json(file)["sha256"] for name, file in made.items() if file.is_file()},
    }


def changed_inputs(now: dict[str, str], file: Path) -> list[str]:
    """Which of them are not what the file says, which an earlier start may have written."""
    before = read_json(file) if file.exists() else now
    return [f"the content of {name} changed" for name in now if now[name] != before.get(name)]


def _of_data(path: Path) -> str:
    if path.is_file():
        return sha256_of(path)
    parts = [f"{file.relative_to(path)} {sha256_of(file)}\n" for file in text_files(path)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
