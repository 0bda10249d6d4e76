import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from annotation.exchange.files import write_json, write_manifest
from rewardmodel.learning.core import run_folder as progress
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]


def test_progress_is_readable_at_once(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.progress("training", 3, 24, {"loss": 0.5})
        [line] = lines(tmp_path)
    assert line.pop("time") == pytest.approx(time.time(), abs=60)
    assert line == {"phase": "training", "step": 3, "total": 24, "metrics": {"loss": 0.5}}


def test_a_long_step_still_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.02)
    with RunFolder(tmp_path) as run:
        run.progress("loading", 0, 1)
        deadline = time.monotonic() + 10
        while len(lines(tmp_path)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert {line["phase"] for line in lines(tmp_path)} == {"loading"}
    assert len(lines(tmp_path)) >= 3


def test_two_processes_never_work_in_one_folder(tmp_path: Path) -> None:
    with RunFolder(tmp_path), pytest.raises(TrainingFailure, match="Another process"):
        RunFolder(tmp_path).__enter__()
    with RunFolder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingFailure, match=r"file/run cannot be written: Not a directory\.$"):
        RunFolder(tmp_path / "file" / "run").__enter__()


def test_an_old_failure_is_gone_when_a_run_starts_again(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as run:
        run.fail("No disk.")
    assert json.loads((tmp_path / "failure.json").read_text()) == {"reason": "No disk."}
    with RunFolder(tmp_path):
        assert not (tmp_path / "failure.json").exists()


def test_a_published_run_is_finished(tmp_path: Path) -> None:
    output = tmp_path / "output"
    run = RunFolder(tmp_path / "run")
    with run:
        assert not run.finished(output)
        run.publish(
            output,
            lambda folder: write_json(folder / "weights.json", [1]),
            {"metrics": {}, "samples": [], "gate": {}},
        )
        assert run.finished(output)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["output"] == str(output)
    assert result["sha256"] == json.loads((output / "manifest.json").read_text())["sha256"]


def test_a_kill_between_output_and_result_is_mended_at_the_next_start(tmp_path: Path) -> None:
    output, folder = tmp_path / "output", tmp_path / "run"
    output.mkdir()
    folder.mkdir()
    write_json(output / "weights.json", [1])
    write_json(folder / "result.pending.json", {"sha256": write_manifest(output)})
    assert RunFolder(folder).finished(output)
    assert (folder / "result.json").exists()


def test_a_kill_before_the_output_leaves_the_run_unfinished(tmp_path: Path) -> None:
    write_json(tmp_path / "result.pending.json", {"sha256": "0"})
    assert not RunFolder(tmp_path).finished(tmp_path / "output")


def test_every_process_finds_the_run_finished_while_the_main_one_mends_it(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    sha256 = write_manifest(output)
    for number in range(200):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_json(folder / "result.pending.json", {"sha256": sha256})
        assert finished_for_two_at_once(folder, output) == [True, True]
        assert (folder / "result.json").exists()


def finished_for_two_at_once(folder: Path, output: Path) -> list[bool]:
    together = Barrier(2)

    def ask(rank: int) -> bool:
        together.wait()
        return RunFolder(folder, rank).finished(output)

    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(ask, (0, 1)))


def test_a_process_that_is_not_the_main_one_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with RunFolder(folder, rank=1) as run:
        run.progress("loading", 0, 1)
        run.fail("No disk.")
    assert not folder.exists()
