"""The harm that bench/faults.py does: each function returns when the harm is done with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from bench.fault_installation import ACCELERATOR, BEAT, DEFAULT, REDIS, WEB, Installation

Harm = Callable[[Installation, float], None]
"""To an installation, for so many seconds where it is not done at once."""
TWO_HOURS = 7200  # longer than a lease
DATABASE_IS_AWAY = 60.0  # seconds


@dataclass(frozen=True)
class Fault:
    name: str
    harm: Harm


def killed(words: str) -> Harm:
    """SIGKILL to the process that the launcher started."""

    def harm(installation: Installation, _seconds: float) -> None:
        _first(lambda: installation.mains(words)).kill()

    return harm


def child_killed(words: str) -> Harm:
    """SIGKILL to one that it started itself: what the kernel does to the one with most memory."""

    def harm(installation: Installation, _seconds: float) -> None:
        main = _first(lambda: installation.mains(words))
        _first(main.children).kill()

    return harm


def _first(look: Callable[[], list[psutil.Process]]) -> psutil.Process:
    """As soon as there is one: it may just be starting again."""
    while not (found := look()):
        time.sleep(0.1)
    return found[0]


def redis_refuses(installation: Installation, seconds: float) -> None:
    with installation.redis as redis:
        redis.config_set("maxmemory", 1)
        time.sleep(seconds)
        redis.config_set("maxmemory", 0)


def redis_hangs(installation: Installation, seconds: float) -> None:
    server = _first(lambda: installation.mains(REDIS))
    server.suspend()
    time.sleep(seconds)
    server.resume()


def redis_is_down(installation: Installation, seconds: float) -> None:
    """Killed as often as it is started again."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for server in installation.mains(REDIS):
            server.kill()
        time.sleep(0.1)


def launcher_killed(installation: Installation, _seconds: float) -> None:
    installation.kill_launcher()


def database_is_down(installation: Installation, _seconds: float) -> None:
    if installation.cluster:
        installation.cluster.stop_at_once()
        time.sleep(DATABASE_IS_AWAY)


def disk_is_full(installation: Installation, seconds: float) -> None:
    if installation.disk:
        ballast = installation.disk.fill()
        time.sleep(seconds)
        ballast.unlink()


def power_is_cut(installation: Installation, _seconds: float) -> None:
    """Nothing is written any more, then no process lives any more, then the power is back."""
    if installation.disk:
        installation.disk.cut_power()
        time.sleep(0.5)
        installation.kill_everything()
        installation.disk.restart()


def clock_is_stepped(seconds: int) -> Harm:
    def harm(installation: Installation, _seconds: float) -> None:
        if installation.clock:
            installation.clock.step(seconds)

    return harm


SHORT = [
    Fault("a web worker is killed", child_killed(WEB)),
    Fault("the default worker is killed", killed(DEFAULT)),
    Fault("Redis is killed", killed(REDIS)),
    Fault("Redis refuses to write", redis_refuses),
]
EVERYWHERE = [
    *SHORT,
    Fault("the web server is killed", killed(WEB)),
    Fault("the accelerator worker is killed", killed(ACCELERATOR)),
    Fault("the process with the model is killed", child_killed(ACCELERATOR)),
    Fault("beat is killed", killed(BEAT)),
    Fault("Redis does not answer", redis_hangs),
    Fault("Redis is down", redis_is_down),
    Fault("the launcher is killed", launcher_killed),
]


def faults_of(installation: Installation, *, is_short: bool) -> list[Fault]:
    """Those that can be done to this installation."""
    if is_short:
        return SHORT
    found = list(EVERYWHERE)
    if installation.cluster:
        found.append(Fault("PostgreSQL is down", database_is_down))
    if installation.disk:
        found += [Fault("the disk is full", disk_is_full), Fault("the power is cut", power_is_cut)]
    if installation.clock:
        found.append(Fault("the clock is set back 2 h", clock_is_stepped(-TWO_HOURS)))
        found.append(Fault("the clock is set forward 2 h", clock_is_stepped(TWO_HOURS)))
    return found
