"""One tiny model and small data for all tests of learning."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.lm.chat import Message
from annotation.lm.loading import PolicySource, load_policy
from rewardmodel.learning.core import bootstrap, distributed
from tests.learning.runs import from_scratch, train_reward_model
from tests.tiny import build_tiny_model

Rows = list[dict[str, Any]]


@pytest.fixture
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a thousand intervals."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1000)


@pytest.fixture
def float32_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any processor, to be compared with those of others."""
    monkeypatch.setattr(distributed, "multiplies_bfloat16", lambda: False)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny chat model."""
    return build_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def policy(tiny: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_policy(PolicySource(str(tiny)))


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[[Rows], Path]:
    def write(rows: Rows) -> Path:
        path = tmp_path / "snapshot.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def shorter_is_better(count: int = 24) -> Rows:
    """Groups of four answers, one repeated letter each, the shorter the better; 1 in 4 held out."""
    generator = random.Random(0)
    rows = []
    for number in range(count):
        lengths = generator.sample(range(1, 20), 4)
        rows.append(
            {
                "id": str(number),
                "lang": "en",
                "prompt": user(f"Say {number}"),
                "answers": [generator.choice("abcdef") * length for length in lengths],
                "rankings": [
                    {"labeler": "one", "ranks": [1 + sorted(lengths).index(n) for n in lengths]}
                ],
                "split": "heldout" if number % 4 == 0 else "train",
            }
        )
    return rows


def demonstrations(count: int = 24) -> Rows:
    """Whoever says a number is answered "yes"; one in four is held out."""
    return [
        {
            "id": str(number),
            "lang": "en",
            "messages": [*user(f"Say {number}"), {"role": "assistant", "content": "yes"}],
            "split": "heldout" if number % 4 == 0 else "train",
        }
        for number in range(count)
    ]


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat and the dog sat on the cat\n" * 700)
    return path


@pytest.fixture(scope="session")
def scratch(text: Path) -> Path:
    """A model made from raw text alone."""
    output = text.parent / "scratch"
    assert from_scratch(output, text) == 0
    return output


def many_a(count: int = 24) -> Rows:
    """Groups whose better answers hold more of the letter a."""
    rows = shorter_is_better(count)
    for number, row in enumerate(rows):
        shares = [(number + k) % 4 for k in range(4)]
        row["answers"] = [("a" * 2 * s + "xyz%xyz%")[:8] for s in shares]
        row["rankings"] = [{"labeler": "one", "ranks": [4 - s for s in shares]}]
    return rows


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in many_a()))
    return path


@pytest.fixture(scope="session")
def reward_model(tiny: Path, snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that likes the letter a."""
    output = tmp_path_factory.mktemp("reward") / "model"
    assert train_reward_model(output, snapshot, tiny) == 0
    return output


@pytest.fixture(scope="session")
def probe(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that learned that shorter is better."""
    folder = tmp_path_factory.mktemp("probe")
    rows = "".join(json.dumps(row) + "\n" for row in shorter_is_better(40))
    (folder / "groups.jsonl").write_text(rows)
    made = train_reward_model(folder / "model", folder / "groups.jsonl", tiny, method="probe")
    assert made == 0
    return folder / "model"
