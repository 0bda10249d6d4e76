"""What `make up` runs on is away for a while: it waits, and comes back by itself."""

import fcntl
import http.client
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from redis import Redis

from bench.disk import Disk
from config import embedded_redis
from config.checks import make_secret_key
from tests.disks import disk  # noqa: F401
from tests.launcher.launching import Launcher


@pytest.fixture
def redis_of_its_own(tmp_path: Path) -> Iterator[Redis]:
    socket = tmp_path / "redis.sock"
    with (
        embedded_redis.running(socket, tmp_path / "redis.log"),
        Redis.from_url(f"unix://{socket}") as client,
    ):
        yield client


def test_while_redis_refuses_to_store_pages_are_served_and_afterwards_answers_are_written(
    tmp_path: Path, tiny_model: Path, redis_of_its_own: Redis
) -> None:
    url = {"REDIS_URL": f"unix://{tmp_path / 'redis.sock'}"}
    redis_of_its_own.config_set("maxmemory", 1)
    launcher = Launcher(tmp_path / "var", str(tiny_model), url)
    try:
        launcher.wait_until_ready()
        launcher.wait_for_line("accelerator keeps ending", 120)
        assert login_page(launcher) == http.client.OK
        assert launcher.process.poll() is None
        redis_of_its_own.config_set("maxmemory", 0)
        wait_for_answers(tmp_path / "var" / "laoshi.sqlite3", 120)
    finally:
        launcher.stop()


def test_a_start_right_after_a_kill_waits_for_what_is_left_of_the_last(
    tmp_path: Path, tiny_model: Path
) -> None:
    killed = Launcher(tmp_path / "var", str(tiny_model))
    killed.wait_until_ready()
    # What is left may end at once: this test is the process that does not.
    with (tmp_path / "var" / "up.lock").open() as left:
        killed.stop(signal.SIGKILL)
        held = False
        while not held:
            with suppress(BlockingIOError):
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            time.sleep(0.1)
        second = Launcher(tmp_path / "var", str(tiny_model), {"PORT": str(killed.port)})
        second.wait_for_line("An earlier start: its processes are ending", 30)
    try:
        second.wait_until_ready()
        assert killed.processes() == []
    finally:
        second.stop()


def test_what_is_asked_when_the_stop_comes_is_answered(tmp_path: Path, tiny_model: Path) -> None:
    """A wrong password, which takes a while to be found wrong."""
    launcher = Launcher(tmp_path / "var", str(tiny_model))
    launcher.wait_until_ready()
    connection = http.client.HTTPConnection("localhost", launcher.port, timeout=20)
    connection.request("GET", "/login/")
    page = connection.getresponse()
    token, *_ = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page.read().decode())
    cookie = {"Cookie": str(page.headers["Set-Cookie"]).partition(";")[0]}
    fields = {"username": "admin", "password": "wrong", "csrfmiddlewaretoken": token}
    form = {**cookie, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login/", urlencode(fields), form)
    launcher.stop()
    assert connection.getresponse().status == http.client.OK
    assert launcher.process.returncode == 0


def test_the_secret_key_outlives_a_power_cut_right_after_it_was_made(
    disk: Disk,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    file = disk.root / "secret_key"
    make_secret_key(file)
    made = file.read_text()
    disk.cut_power()
    disk.restart()
    assert made
    assert file.read_text() == made


def login_page(launcher: Launcher) -> int:
    connection = http.client.HTTPConnection("localhost", launcher.port, timeout=20)
    connection.request("GET", "/login/")
    return connection.getresponse().status


def wait_for_answers(database: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    with sqlite3.connect(database) as opened:
        while not opened.execute("SELECT 1 FROM annotation_answer LIMIT 1").fetchone():
            assert time.monotonic() < deadline, "no answers"
            time.sleep(0.5)
