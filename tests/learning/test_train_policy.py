import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from annotation.generation.policy import PolicySource, load_policy, load_tokenizer
from annotation.generation.sampler import SamplingParameters, sample_groups
from rewardmodel.learning.checkpoints import sha256_of
from rewardmodel.learning.reward_model import RewardScorer
from rewardmodel.learning.rollout import AdaptedPolicy, Rollout
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import (
    Killed,
    failure_of,
    kill_at,
    phases_of,
    result_of,
    train_a_policy,
    train_reward_model,
)

Write = Callable[[Rows], Path]


def many_a(count: int = 24) -> Rows:
    """Groups whose better answers hold more of the letter a."""
    rows = shorter_is_better(count)
    for number, row in enumerate(rows):
        shares = [(number + k) % 4 for k in range(4)]
        row["answers"] = [("a" * 2 * s + "xyz%xyz%")[:8] for s in shares]
        row["rankings"] = [{"labeler": "one", "ranks": [4 - s for s in shares]}]
    return rows


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("snapshot") / "snapshot.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in many_a()))
    return path


@pytest.fixture(scope="module")
def reward_model(tiny: Path, snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model that likes the letter a."""
    output = tmp_path_factory.mktemp("reward") / "model"
    assert train_reward_model(output, snapshot, tiny) == 0
    return output


@pytest.fixture(scope="module")
def trained(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A policy after an update long enough to show."""
    output = tmp_path_factory.mktemp("policy") / "adapter"
    settings = {"steps": 30, "missing_end_penalty": 0, "learning_rate": 0.02}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    return output


def test_held_out_reward_rises_and_the_gate_opens(trained: Path) -> None:
    result = result_of(trained)
    parent, new = result["metrics"]["parent"], result["metrics"]["new"]
    assert new["reward"] > parent["reward"] + 0.3
    assert parent["kl"] == pytest.approx(0, abs=1e-4)
    assert new["kl"] > 0
    assert result["gate"]["passed"]


def test_the_trained_adapter_is_a_policy_whose_answers_are_worth_more(
    tiny: Path, trained: Path, reward_model: Path
) -> None:
    parameters = SamplingParameters(max_new_tokens=8)
    prompts = [user("Say something new"), user("Other")]
    scorer = RewardScorer(str(reward_model), torch.device("cpu"))
    means = []
    for source in (PolicySource(str(tiny)), PolicySource(str(tiny), str(trained))):
        groups = sample_groups(*load_policy(source), prompts, 16, parameters, seed=1)
        answers = [[completion.text for completion in group] for group in groups]
        scores = scorer.scores(list(zip(prompts, answers, strict=True)), tokens=512)
        means.append(torch.cat(scores).mean().item())
    assert means[1] > means[0] + 0.3


def test_samples_show_each_answer_before_and_after(trained: Path) -> None:
    samples = result_of(trained)["samples"]
    assert len(samples) == 6
    assert set(samples[0]) == {"prompt", "before", "after", "score_before", "score_after"}


def test_progress_names_every_phase(trained: Path) -> None:
    assert phases_of(trained) == ["loading", "sampling", "training", "evaluating", "saving"]


def test_held_out_prompts_are_answered_only_to_evaluate(
    tiny: Path,
    snapshot: Path,
    reward_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered: list[set[str]] = []
    answer = AdaptedPolicy.rollouts

    def rollouts(self: AdaptedPolicy, prompts: Sequence[Any], *rest: Any) -> list[Rollout]:
        answered.append({prompt[-1]["content"] for prompt in prompts})
        return answer(self, prompts, *rest)

    monkeypatch.setattr(AdaptedPolicy, "rollouts", rollouts)
    assert (
        train_a_policy(tmp_path / "adapter", snapshot, tiny, reward_model, steps=9, check_every=0)
        == 0
    )
    *training, before, after = answered
    heldout = {row["prompt"][0]["content"] for row in many_a() if row["split"] == "heldout"}
    assert before == after == heldout
    assert len(training) == 9
    assert not set.union(*training) & heldout


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    settings = {"steps": 5, "checkpoint_every": 2}
    assert train_a_policy(whole, snapshot, tiny, reward_model, **settings) == 0
    with pytest.MonkeyPatch.context() as patch:
        kill_at(4, patch)
        with pytest.raises(Killed):
            train_a_policy(resumed, snapshot, tiny, reward_model, **settings)
    assert train_a_policy(resumed, snapshot, tiny, reward_model, **settings) == 0
    name = "adapter_model.safetensors"
    assert sha256_of(resumed / name) == sha256_of(whole / name)


def test_a_child_starts_from_its_parents_adapter(
    tiny: Path, snapshot: Path, reward_model: Path, trained: Path, tmp_path: Path
) -> None:
    output = tmp_path / "child"
    settings = {"adapter": trained, "steps": 1, "missing_end_penalty": 0}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    child, parent = result_of(output)["metrics"]["parent"], result_of(trained)["metrics"]["new"]
    assert child["reward"] == pytest.approx(parent["reward"], abs=1e-4)
    assert child["kl"] == pytest.approx(parent["kl"], abs=1e-3)


def test_beyond_the_divergence_budget_it_stops_and_says_so(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"kl_budget": 0.5, "steps": 30, "learning_rate": 0.05}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    metrics = result_of(output)["metrics"]
    assert "at a divergence of" in metrics["stopped"]
    lines = Path(f"{output}.run", "progress.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines if json.loads(line)["phase"] == "training"]
    assert max(steps) < 30


def test_what_is_kept_of_a_stopped_run_was_within_the_budget(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"kl_budget": 1e-9, "steps": 5, "learning_rate": 0.05}
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    assert result_of(output)["metrics"]["new"]["kl"] == pytest.approx(0, abs=1e-4)


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


def test_reward_hacking_stops_the_run_and_keeps_the_best_weights(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks' judge likes what the reward model dislikes, as a judge of hacked answers does."""
    score = RewardScorer.scores

    def scores(self: RewardScorer, *given: Any) -> list[torch.Tensor]:
        sign = -1 if self.model is not judged[0].model else 1
        return [sign * group for group in score(self, *given)]

    judged: list[RewardScorer] = []
    load = RewardScorer.__init__

    def remember(self: RewardScorer, *given: Any) -> None:
        load(self, *given)
        judged.append(self)

    monkeypatch.setattr(RewardScorer, "__init__", remember)
    monkeypatch.setattr(RewardScorer, "scores", scores)
    output = tmp_path / "adapter"
    settings = {
        **{"steps": 30, "missing_end_penalty": 0, "learning_rate": 0.02, "check_every": 5},
        "heldout_reward_model": reward_model,
    }
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    result = result_of(output)
    assert "while held-out reward fell" in result["metrics"]["stopped"]
    assert result["metrics"]["stopped"] in result["gate"]["reason"]
    best = max(result["metrics"]["checks"], key=lambda check: check[2])
    assert best[0] == 0
    assert result["metrics"]["new"]["kl"] == pytest.approx(0, abs=1e-4)


def test_a_resumed_run_remembers_its_checks(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "adapter"
    settings = {"steps": 5, "checkpoint_every": 2, "check_every": 2}
    with pytest.MonkeyPatch.context() as patch:
        kill_at(4, patch)
        with pytest.raises(Killed):
            train_a_policy(output, snapshot, tiny, reward_model, **settings)
    assert train_a_policy(output, snapshot, tiny, reward_model, **settings) == 0
    assert [check[0] for check in result_of(output)["metrics"]["checks"]] == [0, 2, 4]


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
        **{"algorithm": "ppo", "steps": 12, "inner_epochs": 3, "check_every": 0},
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


def test_an_answer_without_end_is_penalised() -> None:
    rollout = Rollout(
        prompt=user("Hi"),
        texts=["a", "b"],
        group=None,  # type: ignore[arg-type]
        scores=torch.tensor([1.0, 1.0]),
        ended=torch.tensor([1.0, 0.0]),
        divergence=torch.zeros(2),
    )
    assert rollout.rewards(0.75).tolist() == [1.0, 0.25]


def test_without_held_out_prompts_the_gate_stays_shut(
    tiny: Path, reward_model: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows = [{"id": "1", "lang": "en", "prompt": user("Hi"), "split": "train"}]
    assert train_a_policy(output, write_rows(rows), tiny, reward_model, steps=1) == 0
    assert result_of(output)["gate"]["reason"] == "No held-out prompt to judge by: add prompts."


def test_without_training_prompts_it_fails(
    tiny: Path, reward_model: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "adapter"
    rows = [{"id": "1", "lang": "en", "prompt": user("Hi"), "split": "heldout"}]
    assert train_a_policy(output, write_rows(rows), tiny, reward_model) == 1
    assert "No prompt to train on" in failure_of(output)


@pytest.mark.parametrize("field", ["reward_model", "adapter"])
def test_a_missing_folder_is_named(
    tiny: Path, snapshot: Path, reward_model: Path, tmp_path: Path, field: str
) -> None:
    output = tmp_path / "output"
    folders = {"reward_model": reward_model, field: "/nowhere/folder"}
    assert train_a_policy(output, snapshot, tiny, **folders) == 1  # type: ignore[arg-type]
    assert "/nowhere/folder" in failure_of(output)
