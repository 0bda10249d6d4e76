"""Run the processes of `make up`: start, watch, restart, stop, and leave none behind."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.env import BASE_FOLDER

STOP_SECONDS = 6.0
STEADY_SECONDS = 60.0  # what lived as long has started well
LONGEST_PAUSE_SECONDS = 60.0
DEATHS_TO_TELL_MORE = 3
LOG_BYTES = 10_000_000
LOG_LOOK_SECONDS = 10.0
PR_SET_PDEATHSIG = 1
C_LIBRARY = ctypes.CDLL(None)


@dataclass
class Process:
    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    lock: int | None = None  # the descriptor of a lock that it holds as long as it lives
    popen: subprocess.Popen[bytes] | None = None
    deaths: int = 0  # in a row, each soon after its start
    started_at: float = 0.0
    starts_again_at: float | None = None  # None while it runs
    looks_at_log_at: float = 0.0

    def start(self) -> None:
        """Start it with its output in its log, in a process group of its own.

        The group keeps a terminal's Ctrl-C from reaching it before the launcher stops all in order.
        """
        self.started_at, self.starts_again_at = time.monotonic(), None
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=BASE_FOLDER,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=() if self.lock is None else (self.lock,),
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )

    def has_ended(self) -> bool:
        return self.popen is None or self.popen.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group, also when its first process is gone."""
        if self.popen is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)

    def tend(self) -> None:
        """Start it again when it has ended: at once, later each time when it ends soon again."""
        now = time.monotonic()
        if now >= self.looks_at_log_at:
            self.looks_at_log_at = now + LOG_LOOK_SECONDS
            self._shorten_log()
        if not self.has_ended():
            return
        if self.starts_again_at is None:
            self.deaths = self.deaths + 1 if now - self.started_at < STEADY_SECONDS else 1
            self.starts_again_at = now + self.pause
            self._tell()
            self.signal(signal.SIGKILL)
        if now >= self.starts_again_at:
            try:
                self.start()
            except OSError as error:  # no room for its log, or no memory for a process
                self.starts_again_at = now + LONGEST_PAUSE_SECONDS
                say(f"  {self.name} cannot be started: {error}")

    @property
    def pause(self) -> float:
        """Seconds from a death to the next start."""
        return min(2.0 ** (self.deaths - 2), LONGEST_PAUSE_SECONDS) if self.deaths > 1 else 0.0

    def _shorten_log(self) -> None:
        """What a long log holds becomes .log.1; its process goes on in the file, now empty."""
        with suppress(OSError):  # not there yet, or no room: it is looked at again
            if self.log.stat().st_size > LOG_BYTES:
                older = self.log.with_suffix(".log.1")
                older.unlink(missing_ok=True)
                shutil.copyfile(self.log, older)
                os.truncate(self.log, 0)

    def _tell(self) -> None:
        again = f"is started again in {self.pause:.0f} s" if self.pause else "is started again"
        say(f"  {self.name} {self.how_it_ended()} and {again}; see {self.log}")
        if self.deaths == DEATHS_TO_TELL_MORE:
            say(f"  {self.name} keeps ending. Its log ends with:\n{self.last_words()}")

    def how_it_ended(self) -> str:
        code = self.popen.returncode if self.popen else 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def last_words(self, lines: int = 10) -> str:
        with self.log.open("rb") as file:
            file.seek(max(self.log.stat().st_size - 4000, 0))
            text = file.read().decode(errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])


def say(text: str) -> None:
    """On the console, if there is one still: a closed terminal or a full disk stops nothing."""
    with suppress(OSError):
        print(text, flush=True)


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
    """Start again whatever ended, for as long as it takes.

    No state is lost with a process: labelers go on with their work while a worker that was killed
    for its memory, or that its Redis refuses, comes back and picks its job up again.
    """
    for process in processes:
        process.tend()
