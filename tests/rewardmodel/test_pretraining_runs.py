"""The report of what pretraining helps, as a run of a project and on its page."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from annotation.models import PolicyVersion, Project, User
from annotation.services.demonstrations import write_demonstration
from annotation.services.policies import promote
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.services import RunRefused, start_run
from rewardmodel.services.outcomes import complete_run
from rewardmodel.services.training_settings import as_run_takes_it
from tests.pages.conftest import As, as_  # noqa: F401
from tests.people import champion
from tests.rewardmodel.runs import claimed
from tests.worker import Worker, wait_for

PRETRAINING = TrainingRun.Kind.PRETRAINING


@pytest.fixture
def shown(ranked: Project, labeler: User) -> Project:
    """Ranked, and with a demonstration."""
    write_demonstration(ranked.prompts.all()[0], labeler, "Because.")
    return ranked


def curve(*losses: float) -> list[list[float]]:
    return [[4.0 * place, loss] for place, loss in enumerate(losses)]


def learned(*losses: float) -> list[dict[str, float]]:
    return [
        {"groups": 25 * 2**place, "log_loss": loss, "accuracy": 1 - loss / 2}
        for place, loss in enumerate(losses)
    ]


VALUES = {
    **{"steps": 8, "loss": 1.75, "fresh_loss": 6.5, "accuracy": 0.7, "fresh_accuracy": 0.6},
    "pairs": 90,
}
REPORT: dict[str, Any] = {
    "output": None,
    "sha256": None,
    "metrics": {
        "pretrained": {"loss": 1.75, "accuracy": 0.7},
        "fresh": {"loss": 6.5, "accuracy": 0.6},
        "loss_curves": {"pretrained": curve(2.5, 2.0, 1.75), "fresh": curve(10.75, 8.0, 6.5)},
        "learning_curves": {
            "pretrained": learned(0.69, 0.65, 0.6),
            "fresh": learned(0.7, 0.69, 0.68),
        },
        "samples": [
            {
                "prompt": [{"role": "user", "content": "Why is the sky blue?"}],
                "pretrained": "Air scatters blue.",
                "fresh": "the the the",
            }
        ],
    },
    "gate": Gate(False, Verdict(Code.PRETRAINING_REPORT, VALUES)).report(),
    "samples": [],
    "provenance": {},
}


@pytest.fixture
def reported(shown: Project) -> TrainingRun:
    run = claimed(start_run(shown, PRETRAINING))
    complete_run(run, REPORT)
    run.refresh_from_db()
    return run


def test_it_learns_from_what_people_ranked_and_showed_with_the_model_of_the_beginning(
    shown: Project,
) -> None:
    newer = PolicyVersion.objects.create(project=shown, number=1, base_model="taught")
    promote(newer)
    run = start_run(shown, PRETRAINING, {"steps": 5})
    assert run.policy.number == 0
    assert run.config["base_model"] == run.policy.base_model != "taught"
    assert run.config["steps"] == 5
    assert Path(run.config["demonstrations"]).is_file()
    assert Path(run.config["snapshot"]) == run.snapshot.file


def test_without_demonstrations_or_rankings_it_is_refused(
    ranked: Project, project: Project, labeler: User
) -> None:
    with pytest.raises(RunRefused, match="no demonstrations"):
        start_run(ranked, PRETRAINING)
    write_demonstration(ranked.prompts.all()[0], labeler, "Because.")
    ranked.groups.all().delete()
    with pytest.raises(RunRefused, match="no rankings"):
        start_run(ranked, PRETRAINING)


def test_nobody_names_a_file_of_the_machine(shown: Project) -> None:
    for name in ("demonstrations", "base_model", "output"):
        with pytest.raises(ValueError, match="cannot be set here"):
            as_run_takes_it(shown, PRETRAINING, {name: "/etc/passwd"})


def test_it_makes_no_version_and_changes_none(reported: TrainingRun) -> None:
    assert reported.status == TrainingRun.Status.SUCCEEDED
    assert champion(reported.project).number == 0
    assert not RewardModelVersion.objects.exists()
    assert reported.project.policyversions.count() == 1


def test_the_page_shows_both_in_curves_tables_and_words(
    as_: As,  # noqa: F811
    reported: TrainingRun,
    owner: User,
) -> None:
    page = reverse("pretraining", args=[reported.project.slug])
    html = as_(owner).get(page).content.decode()
    assert "from the pretrained model and 6.500 from a fresh one of its shape" in html
    assert html.count('<figure class="chart plot">') == 3
    assert "the the the" in html
    for path in (page, reverse("run", args=[reported.project.slug, reported.pk])):
        table = as_(owner).get(f"{path}plots/supervised.csv").content.decode()
        rows = list(csv.reader(io.StringIO(table)))
        assert rows[0] == ["start", "steps", "loss"]
        assert rows[1:3] == [["pretrained", "0.0", "2.5"], ["pretrained", "4.0", "2.0"]]
        assert len(rows) == 7


def test_an_admin_starts_it_and_is_told_why_not(
    as_: As,  # noqa: F811
    shown: Project,
    owner: User,
    labeler: User,
) -> None:
    page, browser = reverse("pretraining", args=[shown.slug]), as_(owner)
    assert as_(labeler).post(page).status_code == 403
    browser.post(page)
    run = TrainingRun.objects.get()
    assert (run.kind, run.started_by) == (PRETRAINING, owner)
    assert "is queued: wait until it ends" in browser.post(page, follow=True).content.decode()
    assert browser.get(f"{page}plots/supervised.csv").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_begun_on_the_page_a_worker_trains_all_four_and_the_page_shows_what_came_of_it(
    as_: As,  # noqa: F811
    learnable: Project,
    owner: User,
    labeler: User,
    worker: Worker,
) -> None:
    learnable.training_is_automatic = False
    learnable.save()
    for prompt in learnable.prompts.all():
        write_demonstration(prompt, labeler, "Twice as much.")
    page, browser = reverse("pretraining", args=[learnable.slug]), as_(owner)
    browser.post(page)
    run = TrainingRun.objects.get()

    def has_ended() -> bool:
        run.refresh_from_db()
        return run.finished_at is not None

    wait_for(has_ended, 300, tell=lambda: f"{run.status}: {run.reason}")
    assert (run.status, run.attempts) == (TrainingRun.Status.SUCCEEDED, 1)
    assert run.reason
    assert run.reason["code"] == Code.PRETRAINING_REPORT
    assert not RewardModelVersion.objects.exists()
    html = browser.get(page).content.decode()
    found = run.reason["values"]
    assert f"{found['loss']:.3f} nats a token from the pretrained model" in html
    assert html.count('<figure class="chart plot">') == 3
    table = browser.get(f"{page}plots/supervised.csv").content.decode()
    starts = {row["start"] for row in csv.DictReader(io.StringIO(table))}
    assert starts == {"pretrained", "fresh"}
