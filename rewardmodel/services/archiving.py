"""The end of a project: archived, put back, or deleted with all that is its own."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.models import Comparison, PolicyVersion, Project, Snapshot, User
from annotation.selectors.jobs import KINDS
from annotation.selectors.uploads import imported_text
from annotation.services.comparisons import end_comparison
from annotation.services.jobs import cancel_all, left_of
from rewardmodel.models import Judging, RewardModelVersion
from rewardmodel.selectors import active_run, projects_to_delete
from rewardmodel.services.cancelling import request_cancel
from rewardmodel.services.judging import cancel_judging

AT_ONCE = 200  # groups or prompts a transaction

logger = logging.getLogger(__name__)


@transaction.atomic
def archive_project(project: Project) -> None:
    """From now on it can only be read: nothing is answered, ranked or trained, and what runs is
    cancelled."""
    Project.objects.filter(pk=project.pk, archived_at__isnull=True).update(
        is_active=False, archived_at=timezone.now()
    )
    for comparison in project.comparisons.filter(status=Comparison.Status.RUNNING):
        end_comparison(comparison, Comparison.Status.CANCELLED)
    for judging in Judging.objects.filter(
        comparison__project=project, status=Judging.Status.RUNNING
    ):
        cancel_judging(judging)
    run = active_run(project)
    if run is not None:
        request_cancel(run)
    cancel_all(project)


def restore_project(project: Project) -> None:
    """Back in the lists, and paused: nothing starts before an admin lets it go on."""
    Project.objects.filter(pk=project.pk, deletion_asked_at__isnull=True).update(archived_at=None)


def ask_deletion(project: Project) -> None:
    """Nobody finds an archived project any more, and beat has a worker delete it."""
    asked = Project.objects.filter(
        pk=project.pk, archived_at__isnull=False, deletion_asked_at__isnull=True
    )
    if asked.update(deletion_asked_at=timezone.now()):
        cancel_all(project)


def delete_project(project_id: int) -> None:
    """Its files, then its rows in parts, then itself; broken off, it is gone on with.

    Texts that the operator laid into var/texts stay, and so do files that another project reads.
    """
    project = projects_to_delete().filter(pk=project_id).first()
    if project is None:  # gone, or at work in another process
        return
    for path in set(_files_of(project)):
        _stay_alive(project)
        if path.exists() and _is_ours(path) and not _is_read_elsewhere(project, path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    uploads = list(project.uploads.values_list("pk", flat=True))
    for rows in (project.groups, project.prompts):
        while keys := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
            _stay_alive(project)
            rows.filter(pk__in=keys).delete()
    project.delete()
    for upload in uploads:  # pseudonyms of its files
        User.objects.filter(is_foreign=True, username__regex=rf"^file{upload}(:|$)").delete()
    for kind in ("models", "snapshots", "texts"):
        _remove_if_empty(settings.VAR_FOLDER / kind / project.slug)
    logger.info("Deleted project %s.", project.slug)


def _stay_alive(project: Project) -> None:
    """As long as this is renewed no other process deletes the project."""
    Project.objects.filter(pk=project.pk).update(deletion_asked_at=timezone.now())


def _files_of(project: Project) -> Iterator[Path]:
    """Only what its rows name: people may lay files of their own into the var folder."""
    for run in project.runs.all():
        output = settings.VAR_FOLDER / "models" / project.slug / run.folder_name
        yield from (run.folder, output, output.with_name(f".{output.name}.partial"))
    for versions in (PolicyVersion, RewardModelVersion):
        for version in versions._default_manager.filter(project=project):
            if version.sha256:  # made by a run; else its base model is somebody's
                yield version.folder or Path(version.base_model)
    yield from (snapshot.file for snapshot in project.snapshots.all())
    for upload in project.uploads.all():
        yield from (upload.file, upload.staged, imported_text(upload))
    for jobs in KINDS:
        for job in jobs._default_manager.filter(project=project):
            yield from (job.file, *left_of(job))


def _is_ours(path: Path) -> bool:
    return path.resolve().is_relative_to(settings.VAR_FOLDER.resolve())


def _is_read_elsewhere(project: Project, path: Path) -> bool:
    """Whether another project has a version on it, or a snapshot of the same file."""
    relative = str(path.relative_to(settings.VAR_FOLDER) if _is_ours(path) else path)
    if any(
        rows.filter(path=relative).exclude(project=project).exists()
        for rows in (Snapshot.objects, PolicyVersion.objects, RewardModelVersion.objects)
    ):
        return True
    place = path.resolve()
    return any(
        Path(name).resolve().is_relative_to(place)
        for name in _models_named_elsewhere(project)
        if name
    )


def _models_named_elsewhere(project: Project) -> Iterator[str]:
    """However they are spelled: in other projects, and by the installation."""
    yield from (settings.POLICY_MODEL, *settings.POLICY_MODELS)
    yield from Project.objects.exclude(pk=project.pk).values_list("policy_model", flat=True)
    for versions in (PolicyVersion, RewardModelVersion):
        others = versions._default_manager.exclude(project=project)
        yield from others.values_list("base_model", flat=True).distinct()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
