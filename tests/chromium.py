"""Find a Chromium for the browser tests; `python -m tests.chromium` installs one where none is."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


def of_the_system() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def is_there() -> bool:
    """Whether the system has one, or Playwright has fetched its own."""
    if of_the_system():
        return True
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def install() -> None:
    """From the package manager where that is allowed, else through Playwright."""
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run([apt, "-qq", *words], check=True, env=environment)
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


def main() -> int:
    if is_there():
        return 0
    print("Installing Chromium for the browser tests", flush=True)
    try:
        install()
    except subprocess.CalledProcessError as error:
        print(f"Chromium could not be installed ({error}): install it and run again.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
