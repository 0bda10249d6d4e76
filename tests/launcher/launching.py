"""Start the launcher as `make up` does and look at what it started."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from config.env import BASE_FOLDER

READY = "Laoshi is ready"
SET_BY_TESTS = (
    "DATABASE_URL",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
    "DJANGO_SETTINGS_MODULE",
    "REDIS_URL",
    "SECRET_KEY",
    "VAR_FOLDER",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def without_what_tests_set() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name not in SET_BY_TESTS}


class Launcher:
    """`python -m config.up` in a session of its own, so that nothing it starts is overlooked."""

    def __init__(self, folder: Path, model: str, extra: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.folder = folder
        self._output = folder.with_suffix(f".{self.port}.out")
        own = {"VAR_FOLDER": str(folder), "PORT": str(self.port), "POLICY_MODEL": model}
        self._started = time.monotonic()
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.up"],
                cwd=BASE_FOLDER,
                env={**without_what_tests_set(), **own, **(extra or {})},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_until_ready(self, seconds: float = 60) -> float:
        """How many seconds it took from the start."""
        while READY not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() - self._started < seconds, self.output
            time.sleep(0.1)
        return time.monotonic() - self._started

    def wait_for_line(self, words: str, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while words not in self.output:
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def wait_for_process(self, words: str, seconds: float = 10) -> psutil.Process:
        """The one process whose command line holds the words."""
        deadline = time.monotonic() + seconds
        while len(found := self.named(words)) != 1:
            assert time.monotonic() < deadline, (words, found)
            time.sleep(0.1)
        return found[0]

    def stop(self, number: signal.Signals = signal.SIGINT) -> float:
        """How many seconds it took to end; the exit status is in `process.returncode`."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - started

    def processes(self) -> list[psutil.Process]:
        """Every living process of its session."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return (
                os.getsid(process.pid) == self.process.pid
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    def named(self, words: str) -> list[psutil.Process]:
        return [each for each in self.processes() if words in _command_line(each)]


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
