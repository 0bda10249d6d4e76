"""What each way of updating a policy promises; test_policy_truth.py has the formulas."""

from pathlib import Path

import torch

from annotation.lm.loading import PolicySource, load_policy, load_tokenizer
from tests.learning.runs import result_of, train_a_policy


def test_several_inner_epochs_move_further_on_the_same_answers(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    divergences = []
    for epochs in (1, 3):
        output = tmp_path / f"adapter-{epochs}"
        settings = {"inner_epochs": epochs, "steps": 3, "learning_rate": 0.003}
        assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
        divergences.append(result_of(output)["metrics"]["new"]["kl"])
    assert divergences[1] > 2 * divergences[0] > 0


def test_text_that_is_kept_likely_becomes_likelier(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be. " * 60)
    ids = torch.tensor([load_tokenizer(str(tiny)).encode(text.read_text())[:100]])
    losses = []
    for name in ("", str(text)):
        output = tmp_path / f"adapter{bool(name)}"
        settings = {"steps": 4, "pretraining_text": name, "tokens_per_batch": 64}
        assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
        model, _ = load_policy(PolicySource(str(tiny), str(output)))
        with torch.no_grad():
            losses.append(model(ids, labels=ids).loss.item())
    assert losses[1] < losses[0] - 0.3


def test_ppo_raises_held_out_reward_too(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {
        **{"algorithm": "ppo", "steps": 48, "inner_epochs": 3},
        **{"missing_end_penalty": 0, "learning_rate": 0.02},
    }
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["new"]["reward"] > metrics["parent"]["reward"] + 0.1
    load_policy(PolicySource(str(tiny), str(output)))


def test_best_of_n_reports_reward_by_n_and_makes_nothing(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"algorithm": "best_of_n", "best_of": 6}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    result = result_of(output)
    assert result["output"] is None
    assert not output.exists()
    assert not result["gate"]["passed"]
    by_n = result["metrics"]["by_n"]
    assert [row["n"] for row in by_n] == [1, 2, 4, 6]
    assert sorted(row["reward"] for row in by_n) == [row["reward"] for row in by_n]
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0  # finished
