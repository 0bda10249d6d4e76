"""Rehearsals: what they measure, who ranks in them, and one from the command to its report."""

import json
import random
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.models import Project, Ranking
from rewardmodel.management.commands.rehearse import cases
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.rehearsal.report import as_markdown, as_report
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


def refused(folder: Path, *arguments: str, report: str = "report.md") -> str:
    """What the command says before anything is played; no worker runs, which it would find out."""
    (folder / "prompts.txt").write_text("Why?\n")
    given = ("--prompts", str(folder / "prompts.txt"), "--report", str(folder / report))
    with pytest.raises(CommandError) as problem:
        call_command("rehearse", "--teacher", "on_topic", *given, *arguments)
    return str(problem.value)


def test_a_teacher_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    assert "no teacher 'nobody'" in refused(tmp_path, "--teacher", "nobody")


@pytest.mark.parametrize("report", ["missing/report.md", "", "report.json"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_is_played(
    tmp_path: Path, report: str
) -> None:
    said = refused(tmp_path, report=report)
    assert "cannot be written" in said or "is to be Markdown" in said
    assert not [path for path in tmp_path.iterdir() if path.name != "prompts.txt"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--answers", "1"], "answers per group: Ensure this value is greater than or equal to 2"),
        (["--overlap", "0"], "0: give a whole number from 1 on"),
        (["--policy-settings", "{}", '{"stepz": 1}'], "Unknown field stepz"),
        (["--reward-settings", '{"epochs": 0}'], "epochs is 0; give 1 to 1000"),
        (["--reward-settings", "[]"], "give a JSON object"),
        (["--rounds", "0"], "0: give a whole number from 1 on"),
        (["--rankings", "100", "-1"], "give a whole number from 1 on"),
        (["--heldout-answers", "none"], "none: give a whole number from 1 on"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence_before_anything_is_played(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    assert sentence in refused(tmp_path, *arguments)
    assert not Project.objects.exists()


def test_each_combination_of_teacher_rankings_settings_and_seed_is_rehearsed_once() -> None:
    given = {"teacher": ["on_topic", "hedges"], "rankings": [50, 100, 50], "seed": [0, 1]}
    found = list(cases({**given, "reward_settings": [{}], "policy_settings": [{}, {"steps": 1}]}))
    assert len(found) == 2 * 2 * 2 * 2
    assert all(found.count(case) == 1 for case in found)
    assert [(case["teacher"], case["seed"]) for case in found[:2]] == [
        ("on_topic", 0),
        ("on_topic", 1),
    ]


def test_what_is_rehearsed_names_its_tables() -> None:
    text = reported({"rankings": 50}, {"rankings": 100}, {"policy_settings": {"steps": 1}})
    assert "## on_topic, 50 rankings a round\n" in text
    assert "## on_topic, 100 rankings a round\n" in text
    assert '## on_topic, policy settings `{"steps": 1}`\n' in text


def played(**of_policy: Any) -> dict[str, Any]:
    """What is reported of a round."""
    wins = {"mean": 0.6, "low": 0.5, "high": 0.7}
    both = {"base": 0.25, "newest": 0.5}
    return {
        **{"round": 1, "seconds": 60.0, "rankings": 50, "rankings_so_far": 50},
        "reward_model": {
            "gate": "learned",
            "heldout": {"accuracy": 0.7, "log_loss": 0.6, "calibration_error": 0.1},
            "intervals": {"accuracy": [0.55, 0.85], "log_loss": [0.4, 0.8]},
        },
        "policy": {"gate": "better", "new": {"kl": 3.0}, **of_policy} if of_policy else None,
        "true_teacher": {
            **{"scores": both, "ended": both, "mean_tokens": both},
            **{"wins": wins, "wins_at_equal_length": None, "wins_over_the_round_before": wins},
        },
    }


def reported(*rehearsals: dict[str, Any]) -> str:
    case: dict[str, Any] = {
        "teacher": "on_topic",
        "rankings": None,
        "reward_settings": {},
        "policy_settings": {},
    }
    of = [{**case, "seed": 0, "drawn_by": 77, "rounds": [played()], **each} for each in rehearsals]
    return as_markdown(as_report("manage.py rehearse", "tiny", {"rounds": 1}, of))


def test_of_one_rehearsal_the_report_shows_intervals_and_of_several_medians_with_ranges() -> None:
    alone = reported({})
    assert "0.700 (0.550 to 0.850) | 0.600 (0.400 to 0.800)" in alone
    assert "0.600 (0.500 to 0.700) | –" in alone
    assert "0.700 (0.700 to 0.700) | 0.600 (0.600 to 0.600)" in reported({}, {"seed": 1})


def test_the_report_counts_all_rankings_so_far() -> None:
    second = {**played(), "round": 2, "rankings_so_far": 100}
    assert "| 2 | 100 |" in reported({"rounds": [played(), second]})


def test_the_report_says_where_an_updates_gain_comes_from_and_by_what_seed_answers_were_drawn() -> (
    None
):
    gain = {"reward": 1.0, "judged": 0.75, "length": 0.125, "doubt": 0.025, "ends": 0.1}
    of_policy = {"gain": gain, "intervals": {"reward": [0.5, 1.5]}}
    text = reported({"rounds": [played(**of_policy)]})
    assert "| gain | judged | length | doubt | ends |" in text
    assert "| 1.000 (0.500 to 1.500) | 0.750 | 0.125 | 0.025 | 0.100 | 3.000 |" in text
    assert "drawn by 77 (seed 0)" in text


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
    assert [(each["rankings"], each["seed"]) for each in found["rehearsals"]] == [(16, 0), (16, 1)]
    assert len({each["drawn_by"] for each in found["rehearsals"]}) == 2
    [only] = found["rehearsals"][0]["rounds"]
    assert only["rankings"] == only["rankings_so_far"] == 16
    assert 0 <= only["true_teacher"]["wins"]["mean"] <= 1
    text = report.read_text()
    assert "| wins over the base |" in text
    assert "Seed 1, round 1. Reward model:" in text
    assert "likes_ascii, 16 rankings a round, policy settings `" in text
    assert "**What is" in text
