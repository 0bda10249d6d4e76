"""Files that no version needs and nobody waits for are removed from the var folder.

Only what rows name is ever touched, what was read of answers, which can be read again, and merged
models that are too old for a row: two installations may share the folder, and people may lay files
of their own there. What stays for good are a version's folder, the snapshot that it learned from,
every other file that its run read, and each snapshot with a name.
"""

import logging
import re
import shutil
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from annotation.models import MergedModel, PolicyVersion, Snapshot
from annotation.services.snapshots import files_held
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import KEPT, cancelled_lately, features_folder

FEATURES_KEPT = 2_000_000_000  # bytes: of SmolLM2-135M's, some 35,000 groups of four answers
MERGED = re.compile(r"\.?([0-9a-f]{32})(\..+)?")  # by the key of a job, or of one that is gone
WORKED_ON = ("checkpoints", "parts")  # parts: the models that a report trains on its way

logger = logging.getLogger(__name__)


def clean_up() -> list[Path]:
    """Removes what runs that ended worked on, of a cancelled one after a week, and by then what a
    run without a version made and read; returns what was removed."""
    wanted = [
        *(run.folder / name for run in _left_for_good() for name in WORKED_ON),
        *(path for run in _forgotten() for path in _made_by(run)),
        *_surplus_features(),
        *_old_merged_models(),
    ]
    removed = [path for path in dict.fromkeys(wanted) if path.exists()]
    for path in removed:
        _remove(path)
    for snapshot in list(_unneeded_snapshots()):
        with files_held(snapshot.project):  # nobody names it, or takes it for a run, in between
            if snapshot.file.exists() and snapshot.file not in set(_needed_files()):
                _remove(snapshot.file)
                removed.append(snapshot.file)
    return removed


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    logger.info("Removed %s: no version needs it.", path)


def _ended() -> QuerySet[TrainingRun]:
    return TrainingRun.objects.exclude(status__in=TrainingRun.ACTIVE)


def _left_for_good() -> QuerySet[TrainingRun]:
    """Those that ended, but for the cancelled ones that may go on."""
    return _ended().exclude(cancelled_lately())


def _forgotten() -> QuerySet[TrainingRun]:
    """Runs that ended a while ago without a version."""
    long_ago = timezone.now() - KEPT
    without = {"produced_policy__isnull": True, "produced_reward_model__isnull": True}
    return _ended().filter(finished_at__lt=long_ago, **without)


def _made_by(run: TrainingRun) -> list[Path]:
    """Its output, which a run leaves that is cancelled as it ends, and what it wrote aside."""
    output = settings.VAR_FOLDER / "models" / run.project.slug / run.folder_name
    return [output, output.with_name(f".{output.name}.partial")]


def _unneeded_snapshots() -> Iterator[Snapshot]:
    """Old enough, and read by no run but those that are forgotten."""
    needed = set(_needed_files())
    old = Snapshot.objects.filter(created_at__lt=timezone.now() - KEPT)
    return (
        snapshot
        for snapshot in old.select_related("project").iterator()
        if snapshot.file not in needed
    )


def _surplus_features() -> list[Path]:
    """What was read of answers, the oldest of it, where it takes more than FEATURES_KEPT."""
    files = sorted(
        features_folder().rglob("*.safetensors"), key=lambda file: -file.stat().st_mtime_ns
    )
    total = list(accumulate(file.stat().st_size for file in files))
    return [file for file, size in zip(files, total, strict=True) if size > FEATURES_KEPT]


def _old_merged_models() -> Iterator[Path]:
    """What no job names, and what no other installation's can any more, as a job has its week."""
    keys = {key.hex for key in MergedModel.objects.values_list("key", flat=True)}
    long_ago = time.time() - MergedModel.KEPT.total_seconds()
    for path in (settings.VAR_FOLDER / "merged").glob("*"):
        named = MERGED.fullmatch(path.name)
        if named and named[1] not in keys and path.stat().st_mtime < long_ago:
            yield path


def _needed_files() -> Iterator[Path]:
    """What the versions and the runs that are not forgotten read, and what one is just to read."""
    for run in TrainingRun.objects.exclude(pk__in=_forgotten()).select_related("snapshot"):
        yield run.snapshot.file
        yield from (Path(value) for value in run.config.values() if isinstance(value, str))
    hashes = [
        version.provenance.get("snapshot_sha256")
        for versions in (PolicyVersion, RewardModelVersion)
        for version in versions.objects.only("provenance")
    ]
    of_versions = Q(sha256__in=hashes) | Q(reward_models__isnull=False)
    just_taken = Q(created_at__gte=timezone.now() - KEPT)
    wanted = of_versions | just_taken | ~Q(name="")
    for snapshot in Snapshot.objects.filter(wanted).iterator():
        yield snapshot.file
