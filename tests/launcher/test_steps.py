"""The building blocks of the start: steps on the console, commands, processes, translations."""

import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from config import embedded_redis, processes
from config.install import Step, Stop, run
from config.processes import (
    LONGEST_PAUSE_SECONDS,
    STEADY_SECONDS,
    Process,
    restart_the_dead,
    stop,
)
from config.translations import compile_translations
from config.up import start

PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "teacher"
msgstr "{translation}"
"""


def write_po(locale: Path, translation: str) -> Path:
    source = locale / "zh_Hans" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(PO.format(translation=translation), encoding="utf-8")
    return source


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def wait_for_file(file: Path) -> str:
    deadline = time.monotonic() + 10
    while not file.exists() or not file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return file.read_text()


def test_a_step_that_is_done_at_once_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Step("Database") as step:
        step.detail = "up to date"
    assert capsys.readouterr().out == "  Database: up to date\n"


def test_a_step_over_two_seconds_shows_that_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with Step("Model") as step:
        step.detail = "converting"
        time.sleep(2.1)
        assert capsys.readouterr().out == "  Model: converting (2 s) ...\n"


def test_a_command_that_succeeds_keeps_its_output_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Step("Command") as step:
        assert run(step, python("print('half'); print('whole')"), log) is None
        assert step.detail == "whole"
    assert log.read_text() == "half\nwhole\n"


def test_a_command_that_fails_answers_with_its_last_line(tmp_path: Path) -> None:
    with Step("Command") as step:
        command = python("import sys; print('working'); sys.exit('no network')")
        assert run(step, command, tmp_path / "log") == "no network"


def test_stopping_ends_a_process_that_will_not_go_and_its_children(tmp_path: Path) -> None:
    stubborn = (
        "import os, pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = os.fork()\n"
        "if child: pathlib.Path('pids').write_text(f'{os.getpid()} {child}')\n"
        "time.sleep(60)\n"
    )
    command = python(f"import os; os.chdir({str(tmp_path)!r})\n{stubborn}")
    process = Process("stubborn", command, tmp_path / "log", dict(os.environ))
    process.start()
    pids = [int(word) for word in wait_for_file(tmp_path / "pids").split()]
    started = time.monotonic()
    stop([process])
    assert time.monotonic() - started < 10
    assert not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and only waits to be collected does not."""
    states = subprocess.run(
        ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return states.stdout.strip()[:1] not in ("", "Z")


def test_a_process_that_keeps_ending_is_started_again_later_each_time_and_the_others_live_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flapping = process_of(tmp_path, "flapping", "raise SystemExit('refused')")
    steady = process_of(tmp_path, "steady", "import time; time.sleep(60)")
    for process in (flapping, steady):
        process.start()
    assert steady.popen is not None
    pid = steady.popen.pid
    starts = []
    deadline = time.monotonic() + 30
    while flapping.deaths < 5:
        assert time.monotonic() < deadline
        before = flapping.popen
        restart_the_dead([flapping, steady])
        if flapping.popen is not before:
            starts.append(time.monotonic())
        time.sleep(0.02)
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    stop([flapping, steady])
    assert all(pause >= least for pause, least in zip(pauses, (1, 2, 4), strict=True))
    assert steady.popen.pid == pid
    said = capsys.readouterr().out
    assert "flapping ended with 1 and is started again; see" in said
    assert "is started again in 4 s" in said
    assert "flapping keeps ending. Its log ends with:\n    refused" in said


def test_the_pause_before_a_start_has_an_end_and_a_steady_process_has_none(tmp_path: Path) -> None:
    process = process_of(tmp_path, "web", "pass")
    process.start()
    process.deaths = 50
    wait_for_end(process)
    process.tend()
    assert process.pause == LONGEST_PAUSE_SECONDS
    process.deaths, process.started_at = 50, time.monotonic() - STEADY_SECONDS
    process.starts_again_at = None
    process.tend()
    assert process.pause == 0


def test_a_web_server_that_never_answers_and_keeps_ending_ends_the_start_with_its_log(
    tmp_path: Path,
) -> None:
    web = process_of(tmp_path, "web", "raise SystemExit('bad option')")
    with pytest.raises(Stop, match=r"web ended with 1, 3 times in a row[\s\S]*bad option"):
        start([web], [])


COUNT = """
import itertools, time
for number in itertools.count():
    print(f"line {number}", flush=True)
    time.sleep(0.0005)
"""


def test_a_long_log_is_laid_aside_while_its_process_goes_on_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES", 5_000)
    monkeypatch.setattr(processes, "LOG_LOOK_SECONDS", 0.05)
    process = process_of(tmp_path, "talkative", COUNT)
    process.start()
    older = tmp_path / "talkative.log.1"
    deadline = time.monotonic() + 30
    laid_aside: set[str] = set()
    while len(laid_aside) < 3:
        assert time.monotonic() < deadline
        process.tend()
        if older.exists():
            laid_aside.add(older.read_text().partition("\n")[0])
        time.sleep(0.02)
    stop([process])
    assert process.deaths == 0
    assert "\0" not in process.log.read_text()
    last_laid_aside = number_of(older.read_text().splitlines()[-1])
    assert number_of(process.log.read_text().splitlines()[-1]) > last_laid_aside


def number_of(line: str) -> int:
    return int(line.removeprefix("line "))


def test_a_process_that_cannot_be_started_is_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = process_of(tmp_path, "web", "pass")
    process.start()
    wait_for_end(process)
    process.log = tmp_path / "no such folder" / "log"
    process.tend()
    assert "web cannot be started" in capsys.readouterr().out
    process.log, process.starts_again_at = tmp_path / "log", 0.0
    process.tend()
    wait_for_end(process)


def process_of(folder: Path, name: str, code: str) -> Process:
    return Process(name, python(code), folder / f"{name}.log", dict(os.environ))


def wait_for_end(process: Process) -> None:
    assert process.popen is not None
    process.popen.wait(10)


def test_a_folder_of_the_socket_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(Stop, match="must belong to you alone"):
        embedded_redis.prepare_folder(tmp_path / "redis.sock")


def test_translations_are_compiled_when_they_are_newer_and_only_then(tmp_path: Path) -> None:
    source = write_po(tmp_path, "老师")
    assert compile_translations(tmp_path) == 1
    assert compile_translations(tmp_path) == 0
    write_po(tmp_path, "教师")
    later = time.time() + 2
    os.utime(source, (later, later))
    assert compile_translations(tmp_path) == 1
    assert "教师".encode() in source.with_suffix(".mo").read_bytes()
