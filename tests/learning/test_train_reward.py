import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from annotation.exchange.files import sha256_of
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, demonstrations, shorter_is_better, user
from tests.learning.runs import (
    Killed,
    failure_of,
    kill_at,
    phases_of,
    result_of,
    train_reward_model,
)

Write = Callable[[Rows], Path]


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that was taught that shorter is better."""
    folder = tmp_path_factory.mktemp("reward")
    snapshot = folder / "snapshot.jsonl"
    snapshot.write_text("".join(json.dumps(row) + "\n" for row in shorter_is_better()))
    assert train_reward_model(folder / "model", snapshot, tiny, minimum_steps=24) == 0
    return folder / "model"


def test_it_learns_what_labelers_prefer(trained: Path) -> None:
    result = result_of(trained)
    assert result["metrics"]["heldout"]["pairs"] == 36
    assert result["metrics"]["heldout"]["accuracy"] > 0.75
    assert result["metrics"]["heldout"]["log_loss"] < math.log(2)
    assert result["gate"]["passed"]


def test_plain_transformers_gives_the_same_scores(trained: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(trained)
    tokenizer = AutoTokenizer.from_pretrained(trained)
    answers = ["aa", "a much longer answer", "<|endoftext|>?"]
    texts = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": "Say 3"}, {"role": "assistant", "content": answer}],
            tokenize=False,
        )
        for answer in answers
    ]
    batch = tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        plain = model(**batch).logits[:, 0]
    scorer = RewardScorer(str(trained), torch.device("cpu"))
    [normalised] = scorer.scores([(user("Say 3"), answers)], tokens=512)
    assert torch.allclose(normalised * scorer.std + scorer.mean, plain, atol=1e-4)


def test_training_answers_score_0_on_average(trained: Path) -> None:
    scorer = RewardScorer(str(trained), torch.device("cpu"))
    rows = [row for row in shorter_is_better() if row["split"] == "train"]
    scores = torch.cat(scorer.scores([(row["prompt"], row["answers"]) for row in rows], 512))
    assert scores.mean().item() == pytest.approx(0, abs=1e-4)
    assert scores.std().item() == pytest.approx(1, abs=1e-3)


def test_demonstrations_score_0_on_average_where_there_are_some(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    shown, output = tmp_path / "shown.jsonl", tmp_path / "model"
    shown.write_text("".join(json.dumps(row) + "\n" for row in demonstrations()))
    settings = {"minimum_steps": 6, "demonstrations": shown}
    assert train_reward_model(output, write_rows(shorter_is_better(12)), tiny, **settings) == 0
    assert result_of(output)["metrics"]["demonstrations"] == 18  # of 24, 6 held out
    scorer = RewardScorer(str(output), torch.device("cpu"))
    rows = [row["messages"] for row in demonstrations() if row["split"] == "train"]
    groups = [(messages[:-1], [messages[-1]["content"]]) for messages in rows]
    scores = torch.cat(scorer.scores(groups, 512))
    assert scores.mean().item() == pytest.approx(0, abs=1e-4)


def test_the_result_tells_what_made_it(trained: Path) -> None:
    result = result_of(trained)
    assert result["provenance"]["config"]["minimum_steps"] == 24
    assert "torch" in result["provenance"]["libraries"]
    assert len(result["samples"]) == 5
    assert Path(result["output"]) == trained
    manifest = json.loads((trained / "manifest.json").read_text())
    assert manifest["sha256"] == result["sha256"]
    assert manifest["files"]["model.safetensors"] == sha256_of(trained / "model.safetensors")


def test_progress_names_every_phase(trained: Path) -> None:
    assert phases_of(trained) == ["loading", "training", "evaluating", "saving"]


def test_nothing_is_pickled(trained: Path) -> None:
    files = [*trained.rglob("*"), *Path(f"{trained}.run").rglob("*")]
    files = [path for path in files if path.is_file() and "tfevents" not in path.name]
    assert {path.suffix for path in files} <= {
        ".json",
        ".jsonl",
        ".jinja",
        ".safetensors",
        "",
    }


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    snapshot = write_rows(shorter_is_better(12))
    settings = {"minimum_steps": 7, "checkpoint_every": 2, "seed": 4}
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert train_reward_model(whole, snapshot, tiny, **settings) == 0
    with pytest.MonkeyPatch.context() as patch:
        kill_at(6, patch)
        with pytest.raises(Killed):
            train_reward_model(resumed, snapshot, tiny, **settings)
    assert not resumed.exists()
    assert train_reward_model(resumed, snapshot, tiny, **settings) == 0
    assert sha256_of(resumed / "model.safetensors") == sha256_of(whole / "model.safetensors")


def test_checkpoints_go_when_a_run_is_done(trained: Path) -> None:
    assert result_of(trained)
    assert not Path(f"{trained}.run", "checkpoints").exists()


def test_an_error_that_nobody_foresaw_is_written_down_as_a_sentence(
    tiny: Path, tmp_path: Path, write_rows: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unforeseen(Exception):
        def __str__(self) -> str:
            return "it broke\nin the middle\nof many lines"

    kill_at(1, monkeypatch, by=Unforeseen)
    output = tmp_path / "model"
    with pytest.raises(Unforeseen):
        train_reward_model(output, write_rows(shorter_is_better(4)), tiny, minimum_steps=2)
    assert failure_of(output) == "The run broke off with Unforeseen: it broke in the middle"


def test_small_data_is_read_again_until_the_minimum_of_steps(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, snapshot = tmp_path / "model", write_rows(shorter_is_better(4))
    assert train_reward_model(output, snapshot, tiny, minimum_steps=5) == 0
    assert result_of(output)["metrics"]["steps"] == 5


def test_full_fine_tuning_saves_the_same_kind_of_model(
    tiny: Path, trained: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, snapshot = tmp_path / "model", write_rows(shorter_is_better(4))
    assert train_reward_model(output, snapshot, tiny, "--full", minimum_steps=1) == 0
    assert {path.name for path in output.iterdir()} == {path.name for path in trained.iterdir()}
    RewardScorer(str(output), torch.device("cpu"))


def test_shortened_and_skipped_groups_are_counted_by_reason_and_told(
    tiny: Path, tmp_path: Path, write_rows: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = shorter_is_better(5)
    rows[1]["prompt"] = user("long " * 30)
    best, worst = (rows[2]["rankings"][0]["ranks"].index(rank) for rank in (1, 4))
    rows[2]["answers"][best] = " "
    rows[3]["answers"][worst] = "long " * 30
    output = tmp_path / "model"
    code = train_reward_model(output, write_rows(rows), tiny, minimum_steps=1, group_tokens=100)
    assert code == 0
    metrics = result_of(output)["metrics"]
    assert metrics["skipped"] == {"empty answer": 1}
    assert metrics["shortened"] == 2
    assert set(metrics["shortened_by"].values()) == {1}
    assert (
        "4 of 5 groups are used; skipped: 1 with empty answer; shortened: 1 with a prompt that "
        "lost its start, 1 with an answer that lost its middle.\n"
    ) in capsys.readouterr().err


def test_an_empty_answer_that_everybody_ranked_last_is_learned_to_be_bad(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = shorter_is_better(24)
    for row in rows:
        ranks = row["rankings"][0]["ranks"]
        row["answers"][ranks.index(4)] = ""
    output = tmp_path / "model"
    assert train_reward_model(output, write_rows(rows), tiny) == 0
    assert result_of(output)["metrics"]["skipped"] == {}
    scorer = RewardScorer(str(output), torch.device("cpu"))
    [scores] = scorer.scores([(user("Say 3"), ["aa", ""])], 512)
    assert scores[0] > scores[1]


def test_without_held_out_pairs_the_gate_stays_shut(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = [{**row, "split": "train"} for row in shorter_is_better(4)]
    output = tmp_path / "model"
    assert train_reward_model(output, write_rows(rows), tiny, minimum_steps=1) == 0
    assert result_of(output)["gate"] == {
        "passed": False,
        "code": "no_heldout_pairs",
        "values": {},
        "reason": "No held-out pair to judge by: rank more prompts.",
    }


def test_a_snapshot_of_ties_fails_with_the_count(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = [
        {**row, "rankings": [{"labeler": "one", "ranks": [1, 1, 1, 1]}]}
        for row in shorter_is_better(3)
    ]
    output, snapshot = tmp_path / "model", write_rows(rows)
    assert train_reward_model(output, snapshot, tiny) == 1
    assert failure_of(output) == (
        f"No usable group to train on in {snapshot} (skipped: 3 with only ties)."
    )
    assert not output.exists()


def test_a_bad_base_model_fails_with_the_path(tmp_path: Path, write_rows: Write) -> None:
    output = tmp_path / "model"
    base = Path("/nowhere/model")
    assert train_reward_model(output, write_rows(shorter_is_better(3)), base) == 1
    assert failure_of(output) == "There is no model folder at /nowhere/model."


def test_a_loss_that_is_not_finite_fails_with_advice(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, snapshot = tmp_path / "model", write_rows(shorter_is_better(4))
    assert train_reward_model(output, snapshot, tiny, learning_rate=10.0) == 1
    assert "not finite" in failure_of(output)
    assert "learning_rate" in failure_of(output)
