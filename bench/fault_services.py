"""What bench/faults.py can take from an installation: its own PostgreSQL, and its own clock."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil

from tests.launcher.launching import free_port

START_SECONDS = 90.0
PROGRAMS = "/usr/lib/postgresql"
SHIM = Path(__file__).with_name("clock.c")


class NotHere(Exception):
    """A sentence that says what this machine lacks."""


class Cluster(AbstractContextManager["Cluster"]):
    """A PostgreSQL in a folder of its own, made from the system's programs; ended on exit.

    PostgreSQL refuses to be root's: root starts it as the user `postgres`. Raises NotHere.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log, self.port = folder, log, free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/laoshi"
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cluster:
        self.folder.mkdir()
        if self._user:
            shutil.chown(self.folder, self._user)
        made = self._run("initdb", "--pgdata", ".", "--username", "postgres", "--auth", "trust")
        if made.wait():
            raise NotHere(f"initdb ended with {made.returncode}: see {self.log}.")
        self.start()
        self._execute("postgres", "CREATE DATABASE laoshi")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_at_once()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        here = ("-D", ".", "-k", ".", "-h", "127.0.0.1", "-p", str(self.port))
        self._process = self._run("postgres", *here)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or not self.runs:
                raise NotHere(f"PostgreSQL does not start: see {self.log}.")
            time.sleep(0.2)

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: no transaction is finished, no checkpoint is made."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(60)

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                main = psutil.Process(self._process.pid)
                kill_all([main, *main.children(recursive=True)])
            self._process.wait(60)

    def _run(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [_find(program), *words],
                cwd=self.folder,
                env={"LC_ALL": "C.UTF-8"},
                stdout=log,
                stderr=log,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        import psycopg

        with suppress(psycopg.Error):
            self._execute("postgres", "SELECT 1")
            return True
        return False

    def _execute(self, database: str, sql: str) -> None:
        import psycopg

        server = f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"
        with psycopg.connect(server, connect_timeout=2, autocommit=True) as connection:
            connection.execute(sql.encode())


def _find(program: str) -> str:
    """Of the newest version that is installed. Raises NotHere."""
    versions = sorted(Path(PROGRAMS).glob(f"*/bin/{program}"), key=lambda path: path.parts)
    found = str(versions[-1]) if versions else shutil.which(program)
    if found is None:
        raise NotHere(f"{program} is not installed.")
    return found


class Clock:
    """The wall clock of the processes that have its environment. Raises NotHere."""

    def __init__(self, folder: Path) -> None:
        self._file, library = folder / "clock", folder / "clock.so"
        self._file.write_bytes(struct.pack("l", 0))
        compiler = shutil.which("cc")
        if compiler is None:
            raise NotHere("A clock of its own takes a C compiler.")
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"], check=True
        )
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._file)}

    def step(self, seconds: int) -> None:
        """Forward, or back; at once for everybody."""
        with self._file.open("r+b") as file:
            (now,) = struct.unpack("l", file.read())
            file.seek(0)
            file.write(struct.pack("l", now + seconds))


def kill_all(processes: list[psutil.Process]) -> None:
    """SIGKILL, and wait until none does anything any more."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 20
    while any(_lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.05)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
