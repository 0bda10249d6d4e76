import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from annotation.exchange.files import (
    NoRoom,
    complete_or_absent,
    is_disk_full,
    sha256_of,
    write_manifest,
)
from bench.disk import Disk
from rewardmodel.learning.core.checkpoints import Checkpoint, newest_checkpoint, save_checkpoint
from tests.disks import disk  # noqa: F401


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "version"
    with complete_or_absent(target) as aside:
        (aside / "file").write_text("content")
        assert not target.exists()
    assert (target / "file").read_text() == "content"
    assert list(tmp_path.iterdir()) == [target]


def test_others_may_read_what_is_made_as_they_may_read_any_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    with complete_or_absent(tmp_path / "version") as aside:
        save_file({"weight": torch.zeros(1)}, aside / "model.safetensors")
    made = tmp_path / "version" / "model.safetensors"
    assert made.stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_folder_that_fails_half_way_is_absent(tmp_path: Path) -> None:
    target = tmp_path / "version"

    def fill() -> None:
        with complete_or_absent(target) as aside:
            (aside / "file").write_text("content")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fill()
    assert not target.exists()


def test_what_a_killed_writer_left_aside_does_not_get_in(tmp_path: Path) -> None:
    target = tmp_path / "version"
    left = tmp_path / ".version.partial"
    left.mkdir()
    (left / "stale").write_text("stale")
    with complete_or_absent(target) as aside:
        (aside / "file").write_text("content")
    assert [path.name for path in target.iterdir()] == ["file"]


def test_the_newest_checkpoint_alone_is_kept_and_read_back(tmp_path: Path) -> None:
    for step in (5, 10):
        save_checkpoint(tmp_path, Checkpoint(step, {"a": torch.full((2,), step)}, {"seed": 1}))
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 10
    assert newest.tensors["a"].tolist() == [10, 10]
    assert newest.state == {"seed": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_half_written_checkpoint_is_not_seen(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, Checkpoint(5, {"a": torch.zeros(1)}, {}))
    (tmp_path / ".step-00000010.partial").mkdir()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.step == 5


def test_a_checkpoint_without_room_leaves_the_one_before_and_nothing_half_written(
    disk: Disk,  # noqa: F811
) -> None:
    save_checkpoint(disk.root, Checkpoint(5, {"a": torch.zeros(10_000)}, {}))
    disk.fill(leave=30_000)
    with pytest.raises(NoRoom) as refused:
        save_checkpoint(disk.root, Checkpoint(10, {"a": torch.zeros(10_000)}, {}))
    assert refused.value.needed == 40_000
    newest = newest_checkpoint(disk.root)
    assert newest is not None
    assert newest.step == 5
    assert not list(disk.root.glob(".*"))


def test_a_disk_that_is_found_full_while_writing_is_known_as_full(
    disk: Disk,  # noqa: F811
) -> None:
    disk.fill()
    with pytest.raises(SafetensorError) as refused:
        save_file({"a": torch.zeros(10_000)}, disk.root / "a.safetensors")
    assert is_disk_full(refused.value)


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "absent") is None


def test_the_manifest_names_every_file_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("content")
    write_manifest(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"] == {"inner/file": sha256_of(tmp_path / "inner" / "file")}


def test_the_whole_hash_changes_with_any_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    before = write_manifest(tmp_path)
    assert write_manifest(tmp_path) == before
    (tmp_path / "file").write_text("Content")
    assert write_manifest(tmp_path) != before
