"""Rehearsals: what they measure, who ranks in them, and one from the command to its report."""

import json
import random
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.models import Project, Ranking
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.rehearsal.rounds import Plan
from rewardmodel.rehearsal.statistics import (
    median_and_range,
    win_at_equal_length,
    win_interval,
)
from rewardmodel.rehearsal.teachers import on_topic, plain_words
from tests.people import answer_everything, ask
from tests.rewardmodel.teachers import likes_later_letters
from tests.worker import Worker


def test_a_win_rate_counts_each_comparison_of_answers_to_one_prompt_and_ties_as_halves() -> None:
    new, base = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    interval = win_interval(new, base)
    assert interval.mean == (0.5 + 1 + 1 + 1 + 0.5 + 0 + 0.5 + 0) / 8
    assert (interval.low, interval.high) == (0.25, 0.875)


def test_at_equal_length_a_policy_that_only_writes_shorter_wins_nothing() -> None:
    generator = np.random.default_rng(0)
    base_lengths = generator.integers(10, 60, size=(60, 8)).astype(float)
    new_lengths = generator.integers(5, 40, size=(60, 8)).astype(float)
    new, base = -np.round(new_lengths / 12), -np.round(base_lengths / 12)  # a teacher of lengths
    assert win_interval(new, base).mean > 0.7
    alike = win_at_equal_length(new, base, new_lengths, base_lengths)
    assert alike is not None
    assert alike.mean < 0.6


def test_without_answers_of_equal_length_nothing_is_said_of_them() -> None:
    ones = np.ones((2, 2))
    assert win_at_equal_length(ones, ones, ones, 100 * ones) is None


def test_a_cell_holds_a_median_with_its_range() -> None:
    assert median_and_range([0.3, 0.1, 0.2]) == "0.200 (0.100 to 0.300)"
    assert median_and_range([0.25]) == "0.250"
    assert median_and_range([]) == "–"


@pytest.mark.parametrize(("rounds", "changed"), [(2, [False, True]), (3, [False, True, True])])
def test_a_teacher_changes_its_mind_in_the_middle(rounds: int, changed: list[bool]) -> None:
    plan = Plan(teacher=on_topic, then=plain_words, rounds=rounds, prompts=[])
    found = [plan.teacher_of(number) is plain_words for number in range(1, rounds + 1)]
    assert found == changed


@pytest.mark.django_db
def test_labelers_share_the_work_and_stop_at_what_is_asked_for(project: Project) -> None:
    project.queue_target = 8
    project.save()
    ask(project, *(f"What is {n}?" for n in range(8)))
    answer_everything(project)
    labelers = hire(project, 2)
    made = rank_everything(project, labelers, likes_later_letters, 0.0, random.Random(0), most=5)
    assert made == Ranking.objects.count() == 5
    assert {r.labeler_id for r in Ranking.objects.all()} == {labeler.pk for labeler in labelers}


@pytest.mark.django_db
def test_every_second_labeler_may_like_what_is_long(project: Project) -> None:
    project.overlap = 2
    project.save()
    ask(project, "Why?")
    [group] = answer_everything(project)
    first = group.answers.get(position=0)
    first.text = "a" * 1000
    first.save()
    rank_everything(
        project, hire(project, 2), lambda _, text: float(text[0] != "a"), 0.0, random.Random(0),
        length_bias=1.0,
    )  # fmt: skip
    fair, biased = Ranking.objects.order_by("labeler_id")
    assert fair.ranks[0] == max(fair.ranks)
    assert biased.ranks[0] == 1


def test_a_teacher_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("Why?\n")
    with pytest.raises(CommandError, match="no teacher 'nobody'"):
        call_command(
            *("rehearse", "--teacher", "nobody", "--prompts", str(tmp_path / "prompts.txt")),
            *("--report", str(tmp_path / "report.md")),
        )


@pytest.mark.django_db(transaction=True)
def test_rehearsals_of_two_seeds_end_in_one_report(
    worker: Worker, tiny_model: Path, tmp_path: Path
) -> None:
    prompts, report = tmp_path / "prompts.txt", tmp_path / "report.md"
    prompts.write_text("".join(f"What is {n} times three?\n" for n in range(30)))
    call_command(
        *("rehearse", "--teacher", "tests.rewardmodel.teachers:likes_ascii"),
        *("--seeds", "0", "1", "--rounds", "1", "--rankings", "16", "--labelers", "2"),
        *("--prompts", str(prompts), "--report", str(report), "--max-new-tokens", "8"),
        *("--base-model", str(tiny_model), "--heldout-answers", "2"),
        *("--policy-settings", '{"steps": 1, "heldout_answers": 1}'),
        stdout=StringIO(),
    )
    found = json.loads(report.with_suffix(".json").read_text())
    assert [each["seed"] for each in found["rehearsals"]] == [0, 1]
    [only] = found["rehearsals"][0]["rounds"]
    assert only["rankings"] == 16
    assert 0 <= only["true_teacher"]["wins"]["mean"] <= 1
    text = report.read_text()
    assert "| wins over the base |" in text
    assert "Seed 1, round 1. Reward model:" in text
    assert "**What is" in text
