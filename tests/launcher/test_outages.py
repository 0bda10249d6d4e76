"""What `make up` runs on is away for a while: it waits, and comes back by itself."""

import http.client
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from config import embedded_redis
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
