"""Stages 1 and 2 as runs of a project: started, trained for real, and served."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from annotation.exchange.demonstrations import NewDemonstration, parse_demonstrations
from annotation.exchange.prompts import UnreadablePrompt
from annotation.models import Project, User
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.policies import champion_policy
from annotation.services.demonstrations import import_demonstrations, write_demonstration
from rewardmodel.models import TrainingRun
from rewardmodel.services import RunRefused, start_demonstrations_run, start_text_run
from rewardmodel.services.supervision import supervise
from tests.people import ask

TEXT = "The egg is in the pot. The pot is on the fire. " * 4000


def demonstrations(count: int) -> list[NewDemonstration]:
    return [
        NewDemonstration([{"role": "user", "content": f"Say {number}"}], "Yes.")
        for number in range(count)
    ]


def finished(run: TrainingRun) -> TrainingRun:
    supervise(run.pk)
    run.refresh_from_db()
    assert run.status == TrainingRun.Status.SUCCEEDED, run.reason
    return run


def test_without_demonstrations_there_is_nothing_to_follow(project: Project) -> None:
    with pytest.raises(RunRefused, match="no demonstrations"):
        start_demonstrations_run(project)


def test_without_text_there_is_nothing_to_continue(project: Project, tmp_path: Path) -> None:
    with pytest.raises(RunRefused, match="no text"):
        start_text_run(project, tmp_path / "nothing")


def test_importing_the_same_demonstrations_again_changes_nothing(
    project: Project, owner: User
) -> None:
    assert import_demonstrations(project, owner, demonstrations(3)) == 3
    assert import_demonstrations(project, owner, demonstrations(3)) == 0
    assert project.prompts.count() == 3


def test_a_rewritten_demonstration_is_a_new_revision_and_the_old_one_is_kept(
    project: Project, owner: User
) -> None:
    ask(project, "How do I boil an egg?")
    prompt = project.prompts.get()
    write_demonstration(prompt, owner, "In water.")
    write_demonstration(prompt, owner, "In boiling water, six minutes.")
    assert project.demonstrations.count() == 2
    [row] = demonstration_rows(project)
    assert row["messages"][-1]["content"] == "In boiling water, six minutes."


def test_a_line_that_is_no_demonstration_is_named() -> None:
    with pytest.raises(UnreadablePrompt, match=r"Line 1.*assistant"):
        list(parse_demonstrations(['{"messages": [{"role": "user", "content": "a"}, {}]}']))


@pytest.mark.django_db(transaction=True)
def test_a_model_is_made_from_raw_text_and_then_taught_by_demonstrations(
    project: Project, owner: User, tmp_path: Path, client: Client
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(TEXT)
    short = {"heldout_examples": 8, "evaluations": 1, "max_new_tokens": 8}
    preset = {"preset": "nano", "vocabulary": 300, "block_tokens": 64, "steps": 40} | short
    made = finished(start_text_run(project, text, preset | {"examples_per_step": 8}))
    policy = champion_policy(project)
    assert policy == made.produced_policy, made.reason
    assert Path(policy.base_model, "model.safetensors").is_file()
    assert policy.provenance["snapshot_sha256"] == made.snapshot.sha256
    client.force_login(owner)
    for page in (("versions", "kitchen"), ("version", "kitchen", "policy", policy.number)):
        html = client.get(reverse(page[0], args=page[1:])).content.decode()
        assert "What it wrote along the way" in html
        assert escape(policy.samples[0]["text"]) in html

    import_demonstrations(project, owner, demonstrations(100))
    settings = {"full": True, "learning_rate": 0.003, "steps": 40} | short
    taught = finished(start_demonstrations_run(project, settings))
    assert taught.policy == policy
    assert champion_policy(project) == taught.produced_policy, taught.reason
    assert champion_policy(project).samples
