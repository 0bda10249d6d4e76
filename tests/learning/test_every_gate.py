"""From raw text to a reinforced model, where each stage's gate says yes, no, and not yet."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from annotation.lm.loading import PolicySource, load_policy
from tests.learning.conftest import Rows, demonstrations, shorter_is_better
from tests.learning.runs import (
    from_demonstrations,
    from_scratch,
    result_of,
    train_a_policy,
    train_reward_model,
)

NOTHING: dict[str, Any] = {"steps": 1, "learning_rate": 1e-9}  # is learned


@dataclass(frozen=True)
class Chain:
    """Four models, each trained on the one before, and where further runs may go."""

    folder: Path
    text: Path
    scratch: Path

    def rows(self, name: str, rows: Rows) -> Path:
        file = self.folder / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def stage(
        self, number: int, name: str, rows: Rows | None = None, judge: str = "judge", **fields: Any
    ) -> str:
        """Runs a stage on what the stages before it made; the code of what its gate says."""
        output, chats = self.folder / name, self.folder / "chats"
        data = self.text if rows is None else self.rows(f"{name}.jsonl", rows)
        if number == 1:
            ended = from_scratch(output, data, **fields)
        elif number == 2:
            ended = from_demonstrations(output, data, self.scratch, "--full", **fields)
        elif number == 3:
            ended = train_reward_model(output, data, chats, method="probe", **fields)
        else:
            ended = train_a_policy(output, data, chats, self.folder / judge, **fields)
        assert ended == 0
        return str(result_of(output)["gate"]["code"])


GROUPS = shorter_is_better(60)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, text: Path, scratch: Path) -> Chain:
    """Up to the reward model."""
    made = Chain(tmp_path_factory.mktemp("chain"), text, scratch)
    assert result_of(scratch)["gate"]["code"] == "language_below_entropy"
    learned: dict[str, Any] = {"steps": 30, "learning_rate": 3e-3}
    assert made.stage(2, "chats", demonstrations(), **learned) == "language_gain"
    assert made.stage(3, "judge", GROUPS) == "reward_learned"
    return made


def test_from_raw_text_to_supervised_to_reward_model_to_reinforced(chain: Chain) -> None:
    assert chain.stage(4, "reinforced", GROUPS) == "policy_better"
    load_policy(PolicySource(str(chain.folder / "chats"), str(chain.folder / "reinforced")))


def test_what_a_reward_model_of_few_rankings_is_not_sure_of_does_not_pass(chain: Chain) -> None:
    chain.stage(3, "unsure judge", shorter_is_better(8))
    assert chain.stage(4, "doubted", GROUPS, judge="unsure judge") == "policy_doubted"


def contradicted(rows: Rows) -> Rows:
    """What is held out says the contrary of what there is to learn."""
    for row in rows:
        if row["split"] == "heldout":
            [ranking] = row["rankings"]
            row["rankings"] = [{**ranking, "ranks": [5 - rank for rank in ranking["ranks"]]}]
    return rows


@pytest.mark.parametrize(
    ("number", "rows", "fields", "code"),
    [
        (1, None, NOTHING, "language_not_below_entropy"),
        (1, None, {"heldout_examples": 3}, "language_entropy_undecided"),
        (2, demonstrations(), NOTHING, "language_no_gain"),
        (2, demonstrations(), {"heldout_examples": 3}, "language_undecided"),
        (3, contradicted(shorter_is_better(40)), {}, "reward_not_learned"),
        (3, shorter_is_better(8), {}, "reward_undecided"),
        (4, GROUPS, NOTHING, "policy_no_gain"),
        (4, GROUPS, {"heldout_prompts": 4}, "policy_undecided"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_did_not_learn_or_may_have_by_chance_does_not_pass(
    chain: Chain, number: int, rows: Rows | None, fields: dict[str, Any], code: str
) -> None:
    assert chain.stage(number, code, rows, **fields) == code
    assert not result_of(chain.folder / code)["gate"]["passed"]
