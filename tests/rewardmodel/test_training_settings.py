"""What a project's admins may set of a training run: what is theirs, and no place of the server."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from annotation.models import Project, User
from annotation.services.demonstrations import write_demonstration
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import text_folder
from rewardmodel.services import (
    RunRefused,
    as_run_takes_it,
    request_cancel,
    start_demonstrations_run,
    start_policy_run,
    start_reward_run,
)
from rewardmodel.services.outcomes import cancel_run, complete_run
from tests.rewardmodel.runs import claimed, result, updated

Kind = TrainingRun.Kind


@pytest.fixture
def text(project: Project) -> Path:
    """A text that was put there for the project."""
    folder = text_folder(project)
    shutil.rmtree(folder, ignore_errors=True)  # the imports' tests may have left some there
    folder.mkdir(parents=True)
    file = folder / "poems.txt"
    file.write_text("The moon shines before my bed.")
    return file


def test_a_new_projects_settings_are_those_that_the_stages_were_measured_with() -> None:
    project = Project()
    assert project.kl_budget == PolicyConfig.kl_budget
    assert project.heldout_percent == PolicyConfig.heldout_percent
    assert project.answers_per_group == PolicyConfig.answers_per_prompt


def test_a_project_names_one_of_its_own_texts(project: Project, text: Path) -> None:
    taken = as_run_takes_it(project, Kind.POLICY, {"pretraining_text": "poems.txt", "steps": 3})
    assert taken == {"pretraining_text": str(text), "steps": 3}


@pytest.mark.parametrize("name", ["/etc/passwd", "../kitchen/poems.txt", ".", "", "novel.txt", 5])
def test_no_other_text_can_be_named_whether_it_exists_or_not(
    project: Project, text: Path, name: object
) -> None:
    with pytest.raises(ValueError, match=r"must name one of this project's texts: poems\.txt\."):
        as_run_takes_it(project, Kind.POLICY, {"pretraining_text": name})


def test_a_project_that_is_not_stored_yet_has_no_texts(text: Path) -> None:
    with pytest.raises(ValueError, match="there are none"):
        as_run_takes_it(Project(slug="kitchen"), Kind.POLICY, {"pretraining_text": "poems.txt"})


def test_a_project_names_one_of_its_own_reward_models_by_number(ranked: Project) -> None:
    updated(ranked)
    folder = str(RewardModelVersion.objects.get().folder)
    taken = as_run_takes_it(ranked, Kind.POLICY, {"heldout_reward_model": 1})
    assert taken == {"heldout_reward_model": folder}


@pytest.mark.parametrize("algorithm", ["rloo", "dpo"])
def test_an_update_is_judged_by_the_second_judge_unless_it_saw_that_one_s_labels(
    ranked: Project, algorithm: str
) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    folder = RewardModelVersion.objects.get().folder
    assert folder is not None
    update = claimed(start_policy_run(ranked))
    assert update.config["heldout_reward_model"] == ""
    complete_run(update, result(update, passed=True))
    (folder / "second").mkdir(parents=True)
    ranked.policy_settings = {"algorithm": algorithm}
    try:
        found = start_policy_run(ranked).config["heldout_reward_model"]
    finally:
        shutil.rmtree(folder)
    assert found == ("" if algorithm == "dpo" else str(folder / "second"))


@pytest.mark.parametrize("number", ["/srv/judge", True, 2, 10**30])
def test_no_other_reward_model_can_be_named(ranked: Project, number: object) -> None:
    updated(ranked)
    with pytest.raises(ValueError, match="one of this project's reward models"):
        as_run_takes_it(ranked, Kind.POLICY, {"heldout_reward_model": number})


@pytest.mark.parametrize(
    "stored",
    [
        {"pretraining_text": "/etc/passwd"},
        {"heldout_reward_model": "/srv/judge"},
        {"rollout_server": "http://127.0.0.1:6379"},
        {"reward_model": "/srv/judge"},
    ],
)
def test_what_an_earlier_version_stored_is_refused_when_a_run_starts(
    ranked: Project, stored: dict[str, Any]
) -> None:
    updated(ranked)
    Project.objects.filter(pk=ranked.pk).update(policy_settings=stored)
    with pytest.raises(RunRefused, match=next(iter(stored))):
        start_policy_run(Project.objects.get(pk=ranked.pk))


def test_the_installations_server_samples_for_the_model_that_it_serves(
    ranked: Project, settings: Settings
) -> None:
    settings.ROLLOUT_SERVER = "http://gpu:8000"
    first = updated(ranked)
    assert first.config["rollout_server"] == "http://gpu:8000"
    ranked.policyversions.update(base_model="/srv/other")
    other = claimed(start_policy_run(ranked))
    assert other.config["rollout_server"] == ""
    complete_run(other, result(other, passed=False))


def test_without_a_server_the_worker_samples(ranked: Project) -> None:
    assert django_settings.ROLLOUT_SERVER == ""
    assert updated(ranked).config["rollout_server"] == ""


def test_what_a_run_samples_is_as_long_as_the_projects_answers(
    ranked: Project, owner: User
) -> None:
    ranked.max_new_tokens = 77
    write_demonstration(ranked.prompts.order_by("id")[0], owner, "In boiling water.")
    shown = claimed(start_demonstrations_run(ranked))
    assert shown.config["max_new_tokens"] == 77
    request_cancel(shown)
    cancel_run(shown)
    assert updated(ranked).config["max_new_tokens"] == 77
