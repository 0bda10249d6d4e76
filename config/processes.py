"""Run the processes of `make up`: start, watch, restart, stop, and leave none behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.env import BASE_FOLDER
from config.install import Stop

STOP_SECONDS = 6.0
DEATHS_BEFORE_GIVING_UP = 3
DEATH_WINDOW_SECONDS = 60.0
LOG_BYTES = 10_000_000
PR_SET_PDEATHSIG = 1
C_LIBRARY = ctypes.CDLL(None)


@dataclass
class Process:
    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    popen: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it with its output in its log, in a process group of its own.

        The group keeps a terminal's Ctrl-C from reaching it before the launcher stops all in order.
        """
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=BASE_FOLDER,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def has_ended(self) -> bool:
        return self.popen is None or self.popen.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group, also when its first process is gone."""
        if self.popen is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)

    def how_it_ended(self) -> str:
        code = self.popen.returncode if self.popen else 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def _end_with_parent() -> None:
    """Ask Linux to end this process when the launcher is killed and cannot end it itself."""
    C_LIBRARY.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(processes: Iterable[Process]) -> None:
    """End them: a request first, force after STOP_SECONDS, and force for what they left behind."""
    processes = list(processes)
    for process in processes:
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and not all(process.has_ended() for process in processes):
        time.sleep(0.05)
    for process in processes:
        process.signal(signal.SIGKILL)
        if process.popen is not None:
            process.popen.wait()


def restart_the_dead(processes: Iterable[Process]) -> None:
    """Start again whatever ended, and say so; raise Stop when one keeps ending.

    Restarting suits Laoshi: no state is lost with a process, and labelers go on with their work
    while a worker that was killed for its memory comes back and picks its job up again.
    """
    for process in processes:
        if not process.has_ended():
            continue
        now = time.monotonic()
        process.deaths = [at for at in process.deaths if now - at < DEATH_WINDOW_SECONDS] + [now]
        if len(process.deaths) >= DEATHS_BEFORE_GIVING_UP:
            raise Stop(
                f"{process.name} {process.how_it_ended()}, {len(process.deaths)} times in a "
                f"minute. Its log, {process.log}, ends with:\n{_tail(process.log)}"
            )
        print(
            f"  {process.name} {process.how_it_ended()} and is started again; see {process.log}",
            flush=True,
        )
        process.signal(signal.SIGKILL)
        process.start()


def _tail(log: Path, lines: int = 10) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 4000, 0))
        text = file.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
