"""Old files are removed, and never one that a version needs."""

import os
import random
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db.models import F
from pytest_django import Settings

from annotation.models import PolicyVersion, Project, Snapshot, User
from annotation.services.demonstrations import write_demonstration
from annotation.services.snapshots import (
    name_snapshot,
    take_groups_snapshot,
    take_named_snapshot,
    take_prompts_snapshot,
)
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import KEPT
from rewardmodel.services import cleaning, start_policy_run, start_reward_run, start_text_run
from rewardmodel.services.cleaning import clean_up
from rewardmodel.services.outcomes import cancel_run, complete_run, fail_run
from rewardmodel.tasks import clean_up as clean_up_daily
from tests.people import champion, ready_group
from tests.rewardmodel.runs import claimed, result

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


def worked(run: TrainingRun) -> TrainingRun:
    """The run with what a training leaves: its log, and its output."""
    run = claimed(run)
    for path in (run.folder / "log.txt", output(run) / "weights"):
        path.parent.mkdir(parents=True)
        path.write_text("content")
    return run


def output(run: TrainingRun) -> Path:
    return Path(run.config["output"])


def time_passes(passed: timedelta) -> None:
    TrainingRun.objects.update(finished_at=F("finished_at") - passed)
    Snapshot.objects.update(created_at=F("created_at") - passed)


def failed(project: Project) -> TrainingRun:
    run = worked(start_reward_run(project))
    fail_run(run, "Out of luck.")
    return run


def test_what_a_run_without_a_version_made_and_read_is_removed_after_a_week(
    ranked: Project,
) -> None:
    run = failed(ranked)
    time_passes(KEPT - DAY)
    assert clean_up() == []
    time_passes(2 * DAY)
    assert set(clean_up()) == {output(run), run.snapshot.file}
    assert (run.folder / "log.txt").exists()
    assert clean_up() == []


@pytest.mark.parametrize("name", ["checkpoints", "parts"])
def test_what_a_run_that_ended_worked_on_is_removed_at_once(ranked: Project, name: str) -> None:
    run = failed(ranked)
    (run.folder / name / "one").mkdir(parents=True)
    assert clean_up() == [run.folder / name]


def test_a_run_at_work_keeps_everything(ranked: Project) -> None:
    run = worked(start_reward_run(ranked))
    time_passes(10 * KEPT)
    assert clean_up() == []
    assert run.snapshot.file.exists()


def test_what_was_read_again_by_a_run_that_made_a_version_stays(ranked: Project) -> None:
    lost = failed(ranked)
    kept = worked(start_reward_run(ranked))
    complete_run(kept, result(kept, passed=False))
    assert lost.snapshot.file == kept.snapshot.file
    time_passes(10 * KEPT)
    assert clean_up() == [output(lost)]


def test_a_snapshot_that_a_run_is_about_to_read_stays(ranked: Project) -> None:
    lost = failed(ranked)
    time_passes(10 * KEPT)
    again = start_reward_run(ranked)
    assert again.snapshot.file == lost.snapshot.file
    TrainingRun.objects.filter(pk=again.pk).delete()  # not written yet
    assert clean_up() == [output(lost)]


def test_what_nobody_wrote_down_is_left_alone(ranked: Project, tmp_path: Path) -> None:
    run = failed(ranked)
    own = [
        tmp_path / "models" / "my-model" / "config.json",
        tmp_path / "models" / ranked.slug / "mine" / "config.json",
        tmp_path / "snapshots" / ranked.slug / "other.jsonl",
        tmp_path / "texts" / ranked.slug / "text.txt",
        run.folder.with_name("77-of-another-database") / "checkpoints" / "step-1",
    ]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    time_passes(10 * KEPT)
    clean_up_daily()
    assert all(path.exists() for path in own)


@pytest.mark.parametrize("seed", range(3))
def test_every_version_keeps_its_folder_and_all_that_its_run_read(
    ranked: Project, owner: User, labeler: User, tmp_path: Path, seed: int
) -> None:
    generator = random.Random(seed)
    ranked.queue_target = 100
    (tmp_path / "texts" / ranked.slug).mkdir(parents=True)
    for number in range(12):
        if generator.random() < 0.5:
            group = ready_group(ranked, f"Question {seed} {number}?")
            write_demonstration(group.prompt, owner, f"Answer {number}.")
        (tmp_path / "texts" / ranked.slug / "text.txt").write_text(f"text {number}")
        run = worked(start_any(ranked, generator, tmp_path))
        end = generator.choice(["complete", "complete", "fail", "cancel"])
        if end == "complete":
            complete_run(run, result(run, passed=generator.random() < 0.5))
        elif end == "fail":
            fail_run(run, "Out of luck.")
        else:
            cancel_run(run)
        time_passes(generator.choice([DAY, KEPT, 2 * KEPT]))
        clean_up()
    versions = [*RewardModelVersion.objects.all(), *PolicyVersion.objects.exclude(number=0)]
    assert versions
    for version in versions:
        made_by: TrainingRun = getattr(version, "produced_by")  # noqa: B009 (both kinds have it)
        assert output(made_by).exists()
        assert made_by.snapshot.file.exists()
        read = [made_by.config.get(name) for name in ("demonstrations", "reward_model", "adapter")]
        assert all(Path(path).exists() for path in read if path)
        if version.folder is not None:
            assert version.folder.exists()


def start_any(project: Project, generator: random.Random, folder: Path) -> TrainingRun:
    has_judge = RewardModelVersion.objects.filter(status="champion").exists()
    kind = generator.choice(["reward", "text", "policy" if has_judge else "reward"])
    if kind == "text":
        return start_text_run(project, folder / "texts" / project.slug)
    return start_policy_run(project) if kind == "policy" else start_reward_run(project)


def test_merged_models_that_no_job_names_are_removed_once_a_job_of_theirs_would_be(
    project: Project, tmp_path: Path
) -> None:
    folder, policy = tmp_path / "merged", champion(project)
    kept = policy.merged.create(project=project).key.hex
    gone, old = uuid4().hex, time.time() - KEPT.total_seconds() - 60
    partial = folder / f".{gone}.1.partial"
    partial.mkdir(parents=True)
    (partial / "model").write_text("content")
    left = [folder / f"{gone}.tar", partial]
    others = [folder / f"{kept}.tar", folder / f".{kept}.2.partial", folder / "notes.tar"]
    for path in (left[0], *others):
        path.write_text("content")
    assert clean_up() == []
    for path in (*left, *others):
        os.utime(path, (old, old))
    assert sorted(clean_up()) == sorted(left)
    assert all(path.exists() for path in others)


def test_a_snapshot_with_a_name_is_never_removed(ranked: Project, owner: User) -> None:
    named = take_named_snapshot(ranked, "groups", "Before", owner)
    unnamed = take_prompts_snapshot(ranked)
    time_passes(KEPT + DAY)
    assert clean_up() == [unnamed.file]
    name_snapshot(named, "")
    assert clean_up() == [named.file]


def test_a_snapshot_that_is_named_while_the_cleaning_looks_stays(
    ranked: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = take_groups_snapshot(ranked)
    Snapshot.objects.update(created_at=F("created_at") - KEPT - DAY)
    look = cleaning._unneeded_snapshots

    def looked() -> list[Snapshot]:
        found = list(look())
        name_snapshot(Snapshot.objects.get(), "before the new guidelines")
        return found

    monkeypatch.setattr(cleaning, "_unneeded_snapshots", looked)
    clean_up()
    assert snapshot.file.exists()
