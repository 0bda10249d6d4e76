"""Make .venv and install requirement files in it: `python3 config/install.py FILE...`.

The first step of every `make` target. Run as a file by the system's Python, before anything is
installed: standard library only, and readable by an old Python, which gets a sentence.
`Step`, `Stop` and `run` are how every later step of `make up` talks to the person, too.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 11)
# torch and its libraries unpacked, and the archives they come in; builds for CUDA need more.
INSTALL_BYTES = 3_000_000_000


class Stop(Exception):
    """Ends the start with one sentence for the person, without a traceback."""


class Step:
    """One line on the console for one step; after two seconds it also shows how long it takes."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._interactive = sys.stdout.isatty()
        self._done = threading.Event()

    def __enter__(self) -> Step:
        self._start = time.monotonic()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._ticker.join()
        if error is not None:
            self.detail = "failed" if isinstance(error, Exception) else "stopped"
        self._write(end="\n")

    def _tick(self) -> None:
        """Rewrite the line twice a second; where lines cannot be rewritten, add one at times."""
        pause = 0.5 if self._interactive else 2.0
        while not self._done.wait(pause):
            self._write(end="" if self._interactive else " ...\n")
            pause = 0.5 if self._interactive else 10.0

    def _write(self, end: str) -> None:
        line = f"  {self.title}: {self.detail}" if self.detail else f"  {self.title}"
        seconds = time.monotonic() - self._start
        timing = f" ({seconds:.0f} s)" if seconds >= 2 else ""
        if self._interactive:
            width = max(shutil.get_terminal_size().columns - len(timing) - 1, 20)
            print(f"\r{line[:width]}{timing}\033[K", end=end, flush=True)
        else:
            print(f"{line}{timing}", end=end, flush=True)


def run(
    step: Step,
    command: Sequence[str],
    log: Path,
    detail: Callable[[str], str | None] = lambda line: line,
) -> str | None:
    """Run a command, keep what it prints in `log` and show in the step what `detail` makes of it.

    The command gets a process group of its own, so that it ends whole when the step is interrupted.
    Returns None when it succeeded, else the last line that it printed.
    """
    last = ""
    with (
        log.open("w") as record,
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        ) as child,
    ):
        try:
            for line in child.stdout or ():
                record.write(line)
                last = line.strip() or last
                step.detail = detail(last) or step.detail
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    return last or "it ended without a word" if child.returncode else None


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Raise Stop unless `needed` bytes are free where `folder` lies (or will lie)."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Stop(
            f"No disk space: {purpose} needs about {needed / 1e6:.0f} MB in {folder}, "
            f"and {free / 1e6:.0f} MB are free."
        )


def interrupt_on_terminate() -> None:
    """Let `kill` and a closed terminal stop it the way Ctrl-C does, also in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def make_venv() -> None:
    require_space(ROOT, INSTALL_BYTES, "installing the packages")
    with Step("Making .venv"):
        made = subprocess.run(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise Stop(
                "Python could not make a virtual environment. On Debian and Ubuntu "
                "`apt-get install python3-venv` brings what is missing.\n"
                + (made.stdout + made.stderr).strip()
            )


def install(files: Sequence[Path]) -> None:
    """Install what changed since the copies that lie in .venv were made."""
    changed = [file for file in files if not _is_installed(file)]
    if not changed:
        return
    log = VENV / "install.log"
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    command += [part for file in changed for part in ("-r", str(file))]
    with Step("Installing packages") as step:
        failure = run(step, command, log, _pip_detail)
        if failure and "No space left on device" in log.read_text():
            raise Stop(f"No disk space: the packages do not fit in {VENV}.")
        if failure:
            raise Stop(
                f"The packages could not be installed: {failure}\n"
                f"Check the network and run the command again. All that pip said is in {log}."
            )
        for file in changed:
            shutil.copyfile(file, VENV / file.name)
        step.detail = "done"


def _is_installed(file: Path) -> bool:
    copy = VENV / file.name
    return copy.is_file() and copy.read_bytes() == file.read_bytes()


def _pip_detail(line: str) -> str | None:
    """What of pip's output tells how far it is."""
    if line.startswith("Installing collected packages"):
        return "unpacking"
    if line.startswith(("Collecting", "Downloading", "Using cached")):
        return line.partition(" (from ")[0]
    return None


def main(names: Sequence[str]) -> int:
    interrupt_on_terminate()
    try:
        if sys.version_info < OLDEST_PYTHON:
            raise Stop(
                "Laoshi needs Python 3.11 or newer, and {} is {}.{}. With a newer one installed, "
                "name it: make up PYTHON=python3.12".format(sys.executable, *sys.version_info)
            )
        if not all((VENV / "bin" / name).exists() for name in ("python", "pip")):
            make_venv()
        install([ROOT / name for name in names])
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
