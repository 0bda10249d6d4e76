"""Every run in a list, and any of them side by side."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from pytest_django import Settings

from annotation.models import Project, User
from annotation.services.projects import create_project
from rewardmodel.models import TrainingRun
from rewardmodel.services import request_cancel, start_reward_run
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
    lines.append({"time": 20.0, "phase": "training", "step": 3, "metrics": {"loss": float("nan")}})
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
