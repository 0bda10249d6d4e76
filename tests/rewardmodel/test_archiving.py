"""What becomes of a project's runs, rows and files when it is archived and deleted."""

import os
from datetime import timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from annotation.models import (
    Export,
    MergedModel,
    Project,
    PromptGroup,
    Ranking,
    Snapshot,
    SnapshotJob,
    User,
)
from annotation.models.job import Job
from annotation.selectors.claims import CLAIM
from annotation.selectors.jobs import KINDS
from annotation.selectors.projects import active_projects
from annotation.selectors.uploads import imported_text
from annotation.services.jobs import workplace
from annotation.services.projects import create_project
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import automatic_projects, projects_to_delete
from rewardmodel.services import RunRefused, start_reward_run
from rewardmodel.services.archiving import (
    archive_project,
    ask_deletion,
    delete_project,
    restore_project,
)
from rewardmodel.services.outcomes import complete_run
from rewardmodel.services.projects import store_settings
from tests.rewardmodel.runs import claimed, result


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


@pytest.fixture
def trained(ranked: Project) -> Project:
    """With a version whose files are there."""
    run = claimed(start_reward_run(ranked))
    output = Path(run.config["output"])
    output.mkdir(parents=True)
    (output / "weights").write_text("w")
    run.folder.mkdir(parents=True)
    complete_run(run, result(run, passed=True))
    return ranked


def ask(project: Project) -> None:
    """Long enough ago for a worker to take it."""
    archive_project(project)
    ask_deletion(project)
    own = Project.objects.filter(pk=project.pk)
    own.update(deletion_asked_at=timezone.now() - timedelta(minutes=1))


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_runs_is_cancelled_when_its_project_is_archived(ranked: Project) -> None:
    run = start_reward_run(ranked)
    archive_project(ranked)
    run.refresh_from_db()
    assert run.status == TrainingRun.Status.CANCELLED


def jobs_of(project: Project, owner: User) -> list[Job]:
    """One of each kind, which a worker makes."""
    at_work = {
        **{"project": project, "requested_by": owner, "status": "writing", "claim": uuid4()},
        "claimed_until": timezone.now() + CLAIM,
    }
    policy = project.policyversions.get(number=0)
    return [
        Export.objects.create(format="groups", **at_work),
        SnapshotJob.objects.create(name="Before", kind="groups", **at_work),
        MergedModel.objects.create(policy=policy, **at_work),
    ]


def test_what_workers_make_is_cancelled_when_its_project_is_archived(
    ranked: Project, owner: User
) -> None:
    jobs = jobs_of(ranked, owner)
    archive_project(ranked)
    for job in jobs:
        job.refresh_from_db()
    assert [job.status for job in jobs] == ["cancelled"] * 3


@pytest.mark.parametrize("kind", range(3))
def test_nothing_is_deleted_while_a_worker_may_be_writing_yet(
    ranked: Project, owner: User, kind: int
) -> None:
    job = jobs_of(ranked, owner)[kind]
    for other in KINDS:
        if not isinstance(job, other):
            other._default_manager.all().delete()
    ask(ranked)
    assert not projects_to_delete().exists()
    type(job)._default_manager.update(claimed_until=timezone.now() - CLAIM)
    assert projects_to_delete().exists()


def test_what_a_worker_left_aside_goes_with_its_project(
    ranked: Project, owner: User, tmp_path: Path
) -> None:
    job = jobs_of(ranked, owner)[0]
    ask(ranked)
    with workplace(cast(Export, job)) as folder:
        (folder / "part").write_text("p")
        for jobs in KINDS:
            jobs._default_manager.update(claimed_until=timezone.now() - CLAIM)
        delete_project(ranked.pk)
        assert files_in(tmp_path) == []


def test_an_archived_project_answers_and_trains_nothing(ranked: Project) -> None:
    archive_project(ranked)
    ranked.refresh_from_db()
    assert not active_projects().exists()
    assert automatic_projects() == []
    with pytest.raises(RunRefused, match="archived"):
        start_reward_run(ranked)


def test_a_settings_form_in_flight_does_not_put_a_project_back(
    ranked: Project, owner: User
) -> None:
    archive_project(ranked)
    ask_deletion(ranked)
    assert not store_settings(ranked, ["overlap"], by=owner)  # as it was read before
    ranked.refresh_from_db()
    assert ranked.archived_at
    assert ranked.deletion_asked_at


def test_no_training_starts_in_a_project_that_is_archived_while_its_snapshot_is_written(
    ranked: Project,
) -> None:
    archive_project(ranked)
    with pytest.raises(RunRefused, match="archived"):
        start_reward_run(ranked)  # as it was read before
    assert not TrainingRun.objects.exists()


def test_what_passes_its_gate_in_an_archived_project_serves_nobody(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    archive_project(ranked)
    complete_run(run, result(run, passed=True))
    version = RewardModelVersion.objects.get()
    assert version.status == version.Status.CANDIDATE


def test_put_back_it_is_as_it_was_but_paused(ranked: Project) -> None:
    archive_project(ranked)
    restore_project(ranked)
    ranked.refresh_from_db()
    assert (ranked.archived_at, ranked.is_active) == (None, False)
    assert start_reward_run(ranked).is_active


def test_a_deleted_project_is_gone_with_its_rows_and_files(
    trained: Project, tmp_path: Path
) -> None:
    assert files_in(tmp_path)
    ask(trained)
    delete_project(trained.pk)
    rows = (Project, PromptGroup, Ranking, Snapshot, TrainingRun)
    assert [model for model in rows if model._default_manager.exists()] == []
    assert files_in(tmp_path) == []


def test_a_deletion_that_broke_off_is_gone_on_with(trained: Project, tmp_path: Path) -> None:
    ask(trained)
    for group in trained.groups.all()[:2]:
        group.delete()
    for file in files_in(tmp_path / "snapshots"):
        file.unlink()
    delete_project(trained.pk)
    assert not Project.objects.exists()


def test_what_another_project_reads_stays(trained: Project, owner: User, tmp_path: Path) -> None:
    folder = RewardModelVersion.objects.get().folder
    assert folder is not None
    create_project(Project(name="Heir", slug="heir", policy_model=str(folder)), owner)
    snapshot = trained.snapshots.get()
    heir = Project.objects.get(slug="heir")
    Snapshot.objects.create(
        project=heir, kind=snapshot.kind, path=snapshot.path, sha256=snapshot.sha256, rows=1
    )
    ask(trained)
    delete_project(trained.pk)
    assert (folder / "weights").exists()
    assert snapshot.file.exists()
    assert Project.objects.get() == heir


def test_raw_text_that_was_imported_goes_too(trained: Project, owner: User, tmp_path: Path) -> None:
    upload = trained.uploads.create(uploaded_by=owner, name="poems.txt", lines=1)
    imported_text(upload).parent.mkdir(parents=True)
    imported_text(upload).write_text("{}")
    ask(trained)
    delete_project(trained.pk)
    assert files_in(tmp_path) == []


def test_files_that_no_row_names_stay(trained: Project, tmp_path: Path) -> None:
    own = tmp_path / "texts" / trained.slug / "poems.txt"
    own.parent.mkdir(parents=True)
    own.write_text("A line.")
    ask(trained)
    delete_project(trained.pk)
    assert files_in(tmp_path) == [own]


def test_two_workers_do_not_delete_one_project_at_once(trained: Project) -> None:
    ask(trained)
    assert projects_to_delete().get() == trained
    Project.objects.update(deletion_asked_at=timezone.now())
    delete_project(trained.pk)
    assert Project.objects.exists()


def test_nothing_is_deleted_while_a_training_still_writes(ranked: Project) -> None:
    claimed(start_reward_run(ranked))
    ask(ranked)
    assert not projects_to_delete().exists()


def test_only_what_was_asked_is_deleted(ranked: Project) -> None:
    archive_project(ranked)
    delete_project(ranked.pk)
    assert Project.objects.exists()


@pytest.mark.parametrize("spelled", ["{}/", "{}/../{name}", "relative", "link"])
def test_a_model_that_another_project_begins_with_stays_however_it_is_spelled(
    trained: Project, owner: User, tmp_path: Path, spelled: str
) -> None:
    folder = RewardModelVersion.objects.get().folder
    assert folder is not None
    name = spelled.format(folder, name=folder.name)
    if spelled == "relative":
        name = os.path.relpath(folder)
    if spelled == "link":
        (tmp_path / "alias").symlink_to(folder)
        name = str(tmp_path / "alias")
    create_project(Project(name="Heir", slug="heir", policy_model=name), owner)
    ask(trained)
    delete_project(trained.pk)
    assert (folder / "weights").exists()


def test_a_model_that_the_installation_begins_with_stays(
    trained: Project, settings: Settings
) -> None:
    folder = RewardModelVersion.objects.get().folder
    assert folder is not None
    settings.POLICY_MODEL = str(folder)
    ask(trained)
    delete_project(trained.pk)
    assert (folder / "weights").exists()
