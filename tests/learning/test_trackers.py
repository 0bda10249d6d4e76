"""Metrics go to TensorBoard and MLflow, too, and nothing of a training hangs on them."""

import json
import socket
import time
from pathlib import Path

import pytest

from rewardmodel.learning.core.run_folder import RunFolder


def train(folder: Path, *losses: float, start: int = 0) -> None:
    with RunFolder(folder) as run:
        run.progress("loading", 0, 1)
        for step, loss in enumerate(losses, start + 1):
            run.progress("training", step, 8, {"loss": loss})


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An MLflow store in a folder, which needs no server."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    address = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


def test_metrics_stand_in_tensorboards_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, 0.5, 0.25)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    scalars = read.Scalars("training/loss")
    assert [(each.step, each.value) for each in scalars] == [(1, 0.5), (2, 0.25)]


def test_metrics_and_settings_are_told_to_mlflow_in_one_run_also_after_a_restart(
    tmp_path: Path, store: str
) -> None:
    from mlflow import MlflowClient

    folder = tmp_path / "7-abc"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"learning_rate": 0.1}))
    train(folder, 0.5)
    (folder / "result.json").write_text("{}")
    train(folder, 0.25, start=1)
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("laoshi")
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id])
    told = client.get_metric_history(run.info.run_id, "training/loss")
    assert sorted((each.step, each.value) for each in told) == [(1, 0.5), (2, 0.25)]
    assert run.data.params == {"learning_rate": "0.1"}
    assert (run.info.run_name, run.info.status) == ("7-abc", "FINISHED")


def test_a_server_that_is_away_fails_no_training_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    train(tmp_path, 0.5, 0.4, 0.3)
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) == 4
    assert capfd.readouterr().err.count("MLflow cannot be told") == 1


def test_a_server_that_never_answers_holds_nothing_up_while_steps_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardmodel.learning.core.trackers.PATIENCE", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        train(tmp_path, *(0.5 for _ in range(50)))
        assert time.monotonic() - began < 5


def test_a_run_that_measures_nothing_opens_nothing(tmp_path: Path) -> None:
    train(tmp_path)
    assert not (tmp_path / "tensorboard").exists()
