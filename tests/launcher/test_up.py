"""`make up` for real: two runs in one folder, without a Redis or a database given."""

import hashlib
import http.client
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launcher.launching import Launcher

ACCOUNTS = "demo-accounts.txt"


@dataclass
class FinishedRun:
    folder: Path
    output: str
    exit_status: int
    seconds_to_stop: float
    left_behind: list[str]
    data: dict[str, str]


def stored(folder: Path) -> dict[str, str]:
    """A hash of every table that holds people, projects and prompts, and of the private files."""
    with sqlite3.connect(folder / "laoshi.sqlite3") as database:
        tables = {
            name: repr(database.execute(f"SELECT * FROM {name} ORDER BY id").fetchall())  # noqa: S608
            for name in ("annotation_user", "annotation_project", "annotation_prompt")
        }
    files = {name: (folder / name).read_text() for name in ("secret_key", ACCOUNTS)}
    return {
        name: hashlib.sha256(content.encode()).hexdigest()
        for name, content in {**tables, **files}.items()
    }


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> FinishedRun:
    """A first run in an empty folder, ended with Ctrl-C."""
    folder = tmp_path_factory.mktemp("up") / "var"
    launcher = Launcher(folder, str(tiny_model))
    launcher.wait_until_ready()
    seconds = launcher.stop()
    left_behind = [" ".join(process.cmdline()) for process in launcher.processes()]
    return FinishedRun(
        folder,
        launcher.output,
        launcher.process.returncode,
        seconds,
        left_behind,
        stored(folder),
    )


@pytest.fixture(scope="module")
def second_run(first_run: FinishedRun, tiny_model: Path) -> Iterator[Launcher]:
    launcher = Launcher(first_run.folder, str(tiny_model))
    yield launcher
    launcher.stop()


def test_the_first_run_prints_the_address_and_the_demo_accounts(first_run: FinishedRun) -> None:
    assert "Laoshi is ready: http://localhost:" in first_run.output
    for line in (first_run.folder / ACCOUNTS).read_text().splitlines():
        assert line in first_run.output


def test_secrets_are_readable_by_their_owner_only(first_run: FinishedRun) -> None:
    for name in ("secret_key", ACCOUNTS, "laoshi.sqlite3"):
        assert (first_run.folder / name).stat().st_mode & 0o077 == 0


def test_ctrl_c_stops_everything_and_leaves_no_process_behind(first_run: FinishedRun) -> None:
    assert first_run.exit_status == 0
    assert first_run.seconds_to_stop < 10
    assert first_run.left_behind == []


def test_a_second_run_starts_within_fifteen_seconds_and_changes_no_data(
    first_run: FinishedRun, second_run: Launcher
) -> None:
    assert second_run.wait_until_ready() < 15
    assert stored(first_run.folder) == first_run.data


def test_the_login_page_answers(second_run: Launcher) -> None:
    second_run.wait_until_ready()
    connection = http.client.HTTPConnection("localhost", second_run.port, timeout=20)
    connection.request("GET", "/login/")
    response = connection.getresponse()
    assert response.status == http.HTTPStatus.OK
    assert b'name="password"' in response.read()


def test_web_and_beat_never_import_torch(second_run: Launcher) -> None:
    second_run.wait_until_ready()
    watched = second_run.named("config.wsgi") + second_run.named("config beat")
    assert len(watched) == 4  # gunicorn, its two workers, and beat
    for process in watched:
        libraries = [mapped.path for mapped in process.memory_maps()]
        assert any("libpython" in path or "python3" in path for path in libraries)
        assert not any("torch" in path for path in libraries)


def test_web_and_beat_together_stay_under_400_mb(second_run: Launcher) -> None:
    second_run.wait_until_ready()
    watched = second_run.named("config.wsgi") + second_run.named("config beat")
    assert sum(process.memory_full_info().pss for process in watched) < 400_000_000


def test_a_second_launcher_in_the_same_folder_is_refused(
    second_run: Launcher, tiny_model: Path
) -> None:
    second_run.wait_until_ready()
    another = Launcher(second_run.folder, str(tiny_model))
    assert another.process.wait(20) == 1
    assert f"already runs from {second_run.folder}" in another.output
    assert "Traceback" not in another.output


def test_a_process_that_dies_is_named_and_started_again(second_run: Launcher) -> None:
    second_run.wait_until_ready()
    [beat] = second_run.named("config beat")
    beat.kill()
    second_run.wait_for_line("beat was killed by SIGKILL and is started again")
    assert second_run.wait_for_process("config beat").pid != beat.pid


def test_a_launcher_killed_with_kill_9_takes_its_processes_with_it(second_run: Launcher) -> None:
    """The last one here, since it ends the second run."""
    second_run.wait_until_ready()
    second_run.stop(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while second_run.processes():
        assert time.monotonic() < deadline, second_run.processes()
        time.sleep(0.2)
