"""A policy straight from rankings, from a snapshot of groups to a result."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from annotation.lm.loading import PolicySource, load_policy, load_tokenizer
from rewardmodel.learning.core.group_packing import GroupBatch
from rewardmodel.learning.policy.dpo import AnswerLikelihoods
from tests.learning.conftest import Rows, many_a, user
from tests.learning.runs import failure_of, learn_from_rankings, phases_of, result_of

Write = Callable[[Rows], Path]
LONG_ENOUGH = {"epochs": 6, "groups_per_step": 3}


@pytest.fixture(scope="module")
def judged(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("judged") / "adapter"
    fields = {**LONG_ENOUGH, "reward_model": reward_model}
    assert learn_from_rankings(output, snapshot, tiny, **fields) == 0
    return output


@pytest.fixture(scope="module", params=["pairwise", "listwise"])
def unjudged(
    request: pytest.FixtureRequest,
    tiny: Path,
    snapshot: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    output = tmp_path_factory.mktemp("unjudged") / "adapter"
    fields = {**LONG_ENOUGH, "preference_loss": request.param}
    assert learn_from_rankings(output, snapshot, tiny, **fields) == 0
    return output


def test_what_labelers_prefer_is_predicted_on_prompts_never_trained_on(unjudged: Path) -> None:
    before, after = (result_of(unjudged)["metrics"]["preferences"][n] for n in ("parent", "new"))
    assert before["log_loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert (before["groups"], before["pairs"]) == (6, 36)
    assert after["log_loss"] < 0.4
    assert after["accuracy"] > 0.9


def test_the_policy_answers_more_as_labelers_like_it(unjudged: Path) -> None:
    shares = []
    for name in ("before", "after"):
        said = "".join(sample[name] for sample in result_of(unjudged)["samples"])
        shares.append(said.count("a") / max(len(said), 1))
    assert shares[1] > shares[0]


def test_without_a_reward_model_the_gate_stays_shut_and_says_why(
    unjudged: Path, tiny: Path
) -> None:
    result = result_of(unjudged)
    gate, measured = result["gate"], result["metrics"]
    assert (gate["passed"], gate["code"]) == (False, "policy_unjudged")
    assert gate["values"]["after"] == measured["preferences"]["new"]["log_loss"]
    assert gate["values"]["divergence"] == measured["new"]["kl"]
    assert gate["reason"].startswith("No reward model judged its answers")
    of_answers = {"answers", "kl", "kl_per_token", "entropy", "ended", "tokens", "distinct"}
    assert set(measured["new"]) == of_answers
    assert set(result["samples"][0]) == {"prompt", "before", "after"}
    load_policy(PolicySource(str(tiny), str(unjudged)))


def test_with_a_reward_model_the_gate_is_that_of_every_policy(judged: Path) -> None:
    result = result_of(judged)
    parent, new = result["metrics"]["parent"], result["metrics"]["new"]
    assert new["reward"] > parent["reward"]
    assert parent["kl"] == pytest.approx(0, abs=1e-4)
    assert new["kl"] > 0
    gate = result["gate"]
    assert gate["values"]["gain"] == pytest.approx(new["reward"] - parent["reward"], abs=1e-5)
    assert gate["passed"] is (gate["values"]["low"] >= 0.0005)
    assert "score_after" in result["samples"][0]


def test_progress_names_every_phase(judged: Path) -> None:
    assert phases_of(judged) == ["loading", "training", "evaluating", "saving"]


def test_every_group_is_read_as_often_as_there_are_epochs(judged: Path) -> None:
    assert result_of(judged)["metrics"]["steps"] == 6 * 18 / 3


def test_held_out_prompts_are_read_only_to_evaluate(
    tiny: Path, snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, read = load_tokenizer(str(tiny)), AnswerLikelihoods.forward
    learned_from: list[str] = []

    def forward(self: AnswerLikelihoods, batch: GroupBatch) -> Tensor:
        if torch.is_grad_enabled():
            learned_from.extend(str(tokenizer.decode(row)) for row in batch.input_ids)
        return read(self, batch)

    monkeypatch.setattr(AnswerLikelihoods, "forward", forward)
    assert learn_from_rankings(tmp_path / "adapter", snapshot, tiny, tokens_per_batch=64) == 0
    for row in many_a():
        asked = f"{row['prompt'][0]['content']}<|im_end|>"
        times = sum(asked in text for text in learned_from)
        assert times == (0 if row["split"] == "heldout" else 1)


def test_a_child_of_a_policy_is_held_to_the_base_model(
    tiny: Path, snapshot: Path, judged: Path, tmp_path: Path
) -> None:
    """Its first implicit rewards are its parent's last."""
    output = tmp_path / "child"
    assert learn_from_rankings(output, snapshot, tiny, adapter=judged) == 0
    child, parent = (result_of(o)["metrics"]["preferences"] for o in (output, judged))
    assert child["parent"]["log_loss"] == pytest.approx(parent["new"]["log_loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row for row in many_a() if row["split"] == "train"], "no_heldout_prompts"),
        (
            [
                {**row, "rankings": [] if row["split"] == "heldout" else row["rankings"]}
                for row in many_a()
            ],
            "no_heldout_pairs",
        ),
    ],
)
def test_without_anything_held_out_the_gate_says_so(
    rows: Rows, code: str, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    assert learn_from_rankings(output, write_rows(rows), tiny) == 0
    assert result_of(output)["gate"]["code"] == code


def test_a_snapshot_of_prompts_alone_is_refused_in_a_sentence(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows: Rows = [{"id": "1", "lang": "en", "prompt": user("Hi"), "split": "train"}]
    assert learn_from_rankings(output, write_rows(rows), tiny) == 1
    assert "'answers' must be a list of texts" in failure_of(output)


def test_groups_that_nobody_ranked_teach_nothing(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows: Rows = [{**row, "rankings": []} for row in many_a(4)]
    assert learn_from_rankings(output, write_rows(rows), tiny) == 1
    assert "No usable group to train on" in failure_of(output)
    assert "with not ranked" in failure_of(output)


def test_what_was_shortened_and_skipped_is_counted(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows: list[dict[str, Any]] = many_a(8)
    rows[1]["prompt"] = user("x" * 400)
    rows[2]["rankings"] = []
    output = tmp_path / "adapter"
    assert learn_from_rankings(output, write_rows(rows), tiny) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["shortened_by"] == {"a prompt that lost its start": 1}
    assert metrics["skipped"] == {"not ranked": 1}
    json.dumps(metrics, allow_nan=False)
