"""Every run in a list, and any of them side by side."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import translation
from pytest_django import Settings

from annotation.models import Project, User
from annotation.services.projects import create_project
from rewardmodel.models import TrainingRun
from rewardmodel.services import request_cancel, start_reward_run
from rewardmodel.templatetags.metrics import rows_of
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.people import ready_group


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


@pytest.fixture
def runs(project: Project, labeler: User) -> list[TrainingRun]:
    """Two that ended, with curves, and different settings."""
    ready_group(project)
    rank(project, labeler)
    made = []
    for epochs in (1, 2):
        project.reward_settings = {"epochs": epochs}
        project.save()
        run = start_reward_run(project)
        request_cancel(run)
        report(run, [0.7, 0.7, 0.5 / epochs])
        made.append(run)
    return made


def report(run: TrainingRun, losses: list[float]) -> None:
    lines = [
        {"time": 10.0 + step, "phase": "training", "step": step, "total": 3, "metrics": {"loss": x}}
        for step, x in enumerate(losses, 1)
    ]
    lines.insert(1, {**lines[0], "time": 10.5})  # said again, as a sign of life
    lines.append({**lines[-1], "time": 20.0, "metrics": {"loss": float("nan")}})
    run.folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.folder / "progress.jsonl").write_text(text + '{"time": 2')


def page(project: Project, name: str) -> str:
    return reverse(name, args=[project.slug])


def chosen(runs: list[TrainingRun]) -> dict[str, list[int]]:
    return {"run": [run.pk for run in runs]}


@pytest.mark.parametrize("name", ["runs_compare", "runs_curves", "runs_csv"])
def test_only_a_projects_admins_see_its_runs(
    as_: As, project: Project, runs: list[TrainingRun], stranger: User, labeler: User, name: str
) -> None:
    assert as_(stranger).get(page(project, name), chosen(runs)).status_code == 404
    assert as_(labeler).get(page(project, name), chosen(runs)).status_code == 403


def test_runs_are_listed_and_narrowed_by_kind_and_state(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    browser = as_(owner)
    every = browser.get(page(project, "runs")).context["page"].rows
    assert [run.pk for run in every] == [run.pk for run in reversed(runs)]
    TrainingRun.objects.filter(pk=runs[0].pk).update(status="failed")
    failed = browser.get(page(project, "runs"), {"status": "failed"}).context["page"].rows
    assert failed == [runs[0]]
    none = browser.get(page(project, "runs"), {"kind": "policy"})
    assert "Nothing matches" in none.content.decode()


def test_curves_are_series_over_steps_without_what_is_no_number(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    found = as_(owner).get(page(project, "runs_curves"), chosen(runs)).json()["runs"]
    assert [each["run"] for each in found] == [run.pk for run in runs]
    assert found[0]["metrics"] == {"loss": [[1, 2, 3], [0.7, 0.7, 0.5]]}
    assert found[0]["names"] == {"loss": "loss"}


def test_the_csv_holds_each_report_once(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    lines = as_(owner).get(page(project, "runs_csv"), chosen(runs)).getvalue().decode().split()
    assert lines[0] == "run,phase,step,seconds,metric,value"
    assert lines[1:4] == [
        f"{runs[0].pk},training,1,0.0,loss,0.7",
        f"{runs[0].pk},training,2,1.0,loss,0.7",
        f"{runs[0].pk},training,3,2.0,loss,0.5",
    ]
    assert len(lines) == 7


def test_figures_stand_in_columns_and_only_settings_that_differ_are_shown(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    for run, accuracy in zip(runs, (0.6, 0.8), strict=True):
        metrics = {"heldout": {"accuracy": accuracy}}
        TrainingRun.objects.filter(pk=run.pk).update(metrics=metrics)
        (run.folder / "config.json").write_text(json.dumps({**run.config, "seed": 1}))
    context = as_(owner).get(page(project, "runs_compare"), chosen(runs)).context
    assert context["figures"] == [("held-out: accuracy", ["0.600", "0.800"])]
    differences = dict(context["differences"])
    assert differences["epochs"] == [1, 2]
    assert not {"seed", "output"} & set(differences)


def test_what_is_told_of_training_and_of_held_out_prompts_stands_in_columns(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    metrics = {
        "heldout": {"accuracy": 0.6, "log_loss": 0.65, "ties": 3},
        "train": {"accuracy": 0.9, "log_loss": 0.25},
        "length_correlation": {"model": 0.1, "labelers": 0.2},
        "steps": 24,
    }
    TrainingRun.objects.filter(pk=runs[0].pk).update(metrics=metrics)
    text = as_(owner).get(reverse("run", args=[project.slug, runs[0].pk])).text
    [table, _curve] = re.findall(r"<table>.*?</table>", text, re.DOTALL)
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", table)]
    assert rows[0] == ["Figure", "held-out", "training"]
    assert sorted(rows[1:]) == [  # PostgreSQL keeps no order of them
        ["accuracy", "0.600", "0.900"],
        ["log", "loss", "0.650", "0.250"],
        ["ties", "3", "–"],
    ]
    assert "<dt>correlation with length: model</dt><dd>0.100</dd>" in text
    assert "<dt>steps</dt><dd>24</dd>" in text


def test_what_a_head_reads_and_what_was_left_out_are_said_in_the_pages_language() -> None:
    metrics = {"chosen": {"recipe": "mean of layer 15, 20, length"}, "skipped": {"only ties": 3}}
    with translation.override("zh-hans"):
        assert dict(rows_of(metrics)) == {
            "线性头所读的内容：特征": "均值，层 15, 20, 长度",
            "跳过：全部并列": "3",
        }


@pytest.mark.parametrize("asked", [{}, {"run": "x"}, {"run": "99999"}, {"run": "9" * 5000}])
def test_runs_that_are_not_there_are_not_found(
    as_: As, project: Project, runs: list[TrainingRun], owner: User, asked: dict[str, Any]
) -> None:
    assert as_(owner).get(page(project, "runs_compare"), asked).status_code == 404


def test_another_projects_runs_are_not_found(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    other = create_project(Project(name="Garden", slug="garden"), owner)
    assert as_(owner).get(page(other, "runs_compare"), chosen(runs)).status_code == 404


def test_the_list_asks_as_often_however_long_it_is(
    as_: As, project: Project, runs: list[TrainingRun], owner: User, django_assert_num_queries: Any
) -> None:
    browser = as_(owner)
    browser.get(page(project, "runs"))
    with django_assert_num_queries(4):
        browser.get(page(project, "runs"))


def test_a_runs_page_shows_its_configuration_as_it_ran_with_defaults(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    [run, _] = runs
    (run.folder / "config.json").write_text(json.dumps({**run.config, "never_given": "a default"}))
    shown = as_(owner).get(reverse("run", args=[project.slug, run.pk])).context["config"]
    assert shown["never_given"] == "a default"
    assert shown["epochs"] == 1


def test_every_chart_of_a_runs_page_has_a_table_and_a_csv(
    as_: As, project: Project, runs: list[TrainingRun], owner: User
) -> None:
    address = reverse("run", args=[project.slug, runs[0].pk])
    [loss] = as_(owner).get(address).context["course"]
    assert loss.listed == [(1, 0.7), (2, 0.7), (3, 0.5)]
    csv = as_(owner).get(f"{address}plots/{loss.slug}.csv").text.split()
    assert csv == ["step,loss", "1,0.7", "2,0.7", "3,0.5"]


def test_a_comparison_of_too_many_runs_says_which_it_leaves_out(
    as_: As, project: Project, runs: list[TrainingRun], owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardmodel.views.runs.MOST_COMPARED", 1)
    response = as_(owner).get(page(project, "runs_compare"), chosen(runs))
    assert response.context["runs"] == [runs[1]]
    assert list(response.context["left_out"]) == [runs[0]]
    assert "Left out:" in response.content.decode()
