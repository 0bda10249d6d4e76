"""What a run does when it is started again in its folder."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from annotation.exchange.files import read_json, sha256_of
from tests.learning.conftest import Rows, shorter_is_better
from tests.learning.runs import Killed, failure_of, kill_at, result_of, train_reward_model

Start = Callable[..., int]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "model"


@pytest.fixture
def snapshot(write_rows: Callable[[Rows], Path]) -> Path:
    return write_rows(shorter_is_better(4))


@pytest.fixture
def start(output: Path, snapshot: Path, tiny: Path) -> Start:
    """The command, with fields of its own; a checkpoint at every second step of three."""

    def run(snapshot: Path = snapshot, **fields: object) -> int:
        given = {"minimum_steps": 3, "checkpoint_every": 2, **fields}
        return train_reward_model(output, snapshot, tiny, **given)

    return run


def killed_at(step: int, start: Start) -> None:
    """The first step is before the checkpoint, the third one after it."""
    with pytest.MonkeyPatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            start()


def test_a_run_without_memory_fails_with_advice_and_a_code(start: Start, output: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(1, patch, by=MemoryError)
        assert start() == 1
    assert read_json(Path(f"{output}.run", "failure.json")) == {
        "code": "out_of_memory",
        "values": {},
        "reason": "Out of memory: lower tokens_per_batch, or use a smaller model.",
    }


def test_a_finished_run_is_not_run_again(start: Start, output: Path) -> None:
    assert start() == 0
    before = sha256_of(output / "model.safetensors"), (output / "config.json").stat().st_mtime_ns
    assert start() == 0
    after = sha256_of(output / "model.safetensors"), (output / "config.json").stat().st_mtime_ns
    assert after == before


def test_a_finished_run_is_not_taken_for_another_commands(start: Start, output: Path) -> None:
    assert start() == 0
    assert start(seed=5) == 1
    assert "holds the result of another command (seed was 0 and is now 5)" in failure_of(output)


def test_a_finished_run_says_that_its_output_is_gone(start: Start, output: Path) -> None:
    assert start() == 0
    shutil.rmtree(output)
    assert start() == 1
    assert failure_of(output) == (
        f"{output} was made and is gone; delete {output}.run to make it again."
    )


def test_an_output_of_another_run_is_never_touched(start: Start, output: Path) -> None:
    output.mkdir()
    (output / "precious").write_text("keep")
    assert start() == 1
    assert "exists already" in failure_of(output)
    assert (output / "precious").read_text() == "keep"


def test_a_checkpoint_of_another_command_is_refused(start: Start, output: Path) -> None:
    killed_at(3, start)
    assert start(seed=5) == 1
    assert failure_of(output) == (
        f"{output}.run holds a checkpoint of another command (seed was 0 and is now 5): "
        "name another --output or --run-folder, or delete that folder."
    )


def test_a_checkpoint_of_a_snapshot_that_has_changed_is_refused(
    start: Start, output: Path, write_rows: Callable[[Rows], Path]
) -> None:
    killed_at(3, start)
    write_rows(shorter_is_better(5))
    assert start() == 1
    assert "(the content of snapshot changed)" in failure_of(output)


def test_a_command_that_changed_before_the_first_checkpoint_starts_anew(
    start: Start, output: Path
) -> None:
    killed_at(1, start)
    left = Path(f"{output}.run", "tokens")
    left.mkdir()
    assert start(seed=5) == 0
    assert result_of(output)["provenance"]["config"]["seed"] == 5
    assert not left.exists()


def test_flags_of_an_earlier_try_are_not_kept(start: Start, output: Path, tmp_path: Path) -> None:
    assert start(snapshot=tmp_path / "typo", seed=7) == 1
    assert start() == 0
    assert result_of(output)["provenance"]["config"]["seed"] == 0


def test_an_interrupted_run_says_how_it_goes_on(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(3, patch, by=KeyboardInterrupt)
        assert start() == 130
    said = capsys.readouterr().err
    assert said.endswith("Stopped. The same command goes on from the last checkpoint.\n")
    assert start() == 0


def test_a_run_folder_holds_all_that_its_result_says_it_was_told(
    start: Start, output: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model.run"
    folder.mkdir()
    (folder / "config.json").write_text('{"group_tokens": 500}')
    assert start(run_folder=folder) == 0
    told = json.loads((folder / "config.json").read_text())
    assert told == result_of(output)["provenance"]["config"]
    assert told["group_tokens"] == 500


def test_a_result_knows_its_inputs_by_content(start: Start, output: Path, snapshot: Path) -> None:
    assert start() == 0
    assert result_of(output)["provenance"]["inputs"] == {"snapshot": sha256_of(snapshot)}
