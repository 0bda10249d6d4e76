"""A student that learns a teacher's scores, for whoever loads plain classifiers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.reward.distil import target_of_scores
from rewardmodel.learning.reward.losses import listwise_loss
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, shorter_is_better
from tests.learning.runs import failure_of, result_of, train_reward_model

CPU = torch.device("cpu")
Write = Callable[[Rows], Path]


def half_ranked(count: int = 40) -> Rows:
    """Of every second group people said nothing, in one of the two ways to say so."""
    rows = shorter_is_better(count)
    for number, row in enumerate(rows):
        if number % 8 >= 4:
            row["rankings"] = []
        if number % 8 == 7:
            del row["rankings"]
    return rows


@pytest.fixture(scope="module")
def teacher(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    ranked = [row for row in half_ranked() if row.get("rankings")]
    (folder / "ranked.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ranked))
    made = train_reward_model(folder / "model", folder / "ranked.jsonl", tiny, method="probe")
    assert made == 0
    return folder / "model"


@pytest.fixture(scope="module")
def student(tiny: Path, teacher: Path) -> Path:
    output = teacher.parent / "student"
    snapshot = teacher.parent / "groups.jsonl"
    snapshot.write_text("".join(f"{json.dumps(row)}\n" for row in half_ranked()))
    settings = {"method": "distil", "teacher": teacher, "minimum_steps": 60}
    assert train_reward_model(output, snapshot, tiny, **settings) == 0
    return output


def test_it_orders_held_out_answers_as_its_teacher_does(student: Path) -> None:
    found = result_of(student)["metrics"]["teacher_agreement"]
    assert found["pairs"] == 60  # of ten groups, five of which nobody ranked
    assert found["agreement"] > 0.8
    assert found["correlation"] > 0.8


def test_the_result_says_what_the_teacher_knew_of_the_same_rankings(
    student: Path, teacher: Path
) -> None:
    metrics, before = result_of(student)["metrics"], result_of(teacher)["metrics"]["heldout"]
    assert metrics["teacher"] == pytest.approx(before, abs=1e-3)
    assert metrics["heldout"]["pairs"] == before["pairs"] == 30
    assert metrics["heldout"]["log_loss"] < 0.6
    assert result_of(student)["gate"]["code"] in ("reward_learned", "student_worse")


def test_groups_without_an_order_keep_their_split_and_one_answer_is_no_group(
    write_rows: Write,
) -> None:
    rows = half_ranked(16)
    rows[1]["rankings"][0]["ranks"] = [1, 1, 1, 1]
    rows[4]["answers"] = ["alone"]
    data = read_groups(write_rows(rows), 20, need_rankings=False)
    assert data.with_unranked("train")[-1].id == "15"
    assert [row.id for row in data.unranked] == ["1", "5", "6", "7", "12", "13", "14", "15"]
    assert [row.id for row in data.with_unranked("heldout")] == ["0", "8", "12"]
    assert data.skipped == {"only one answer": 1}


def test_a_loss_is_least_where_the_scores_are_the_teachers_but_for_a_constant() -> None:
    taught = torch.tensor([0.4, -1.0, 2.5])
    scores = (taught + 7).requires_grad_()
    target = target_of_scores(taught, CPU)
    listwise_loss(scores, target.shares, target.margins).backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    assert scores.grad.abs().max() < 1e-6


def test_without_any_ranking_a_student_is_made_but_does_not_serve(
    teacher: Path, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = [{**row, "rankings": []} for row in shorter_is_better(8)]
    output = tmp_path / "student"
    settings = {"method": "distil", "teacher": teacher, "minimum_steps": 2}
    assert train_reward_model(output, write_rows(rows), tiny, **settings) == 0
    assert result_of(output)["gate"]["code"] == "no_heldout_pairs"
    assert result_of(output)["metrics"]["teacher_agreement"]["pairs"] == 12
    RewardScorer(str(output), CPU)


def test_a_finetuned_model_teaches_too(
    student: Path, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, snapshot = tmp_path / "second", write_rows(half_ranked(8))
    settings = {"method": "distil", "teacher": student, "minimum_steps": 2}
    assert train_reward_model(output, snapshot, tiny, **settings) == 0
    assert result_of(output)["metrics"]["teacher"]["pairs"] == 6


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"method": "distil"},
            "teacher is ''; method 'distil' needs the folder of a reward model.",
        ),
        (
            {"method": "finetune", "teacher": "/nowhere"},
            "teacher is '/nowhere'; it goes with method 'distil' only.",
        ),
        (
            {"method": "distil", "teacher": "/nowhere"},
            "There is no model folder at /nowhere.",
        ),
    ],
)
def test_a_teacher_that_is_missing_or_of_no_use_is_refused_in_a_sentence(
    settings: dict[str, str], sentence: str, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output = tmp_path / "student"
    assert train_reward_model(output, write_rows(half_ranked(8)), tiny, **settings) == 1
    assert failure_of(output) == sentence
    assert not output.exists()
