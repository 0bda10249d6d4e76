"""Without Redis, or with one that refuses to store: ranking goes on, and the loop says it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from redis import Redis

from annotation.models import Project, Ranking, User
from config import embedded_redis
from config.parts import BEAT, WORKERS, missing_parts, say_alive
from tests.pages.conftest import As
from tests.pages.desk import path, submit
from tests.people import PASSWORD, ready_group

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings) -> Iterator[Redis]:
    """A Redis of the test's own, which the application uses."""
    socket = tmp_path / "redis.sock"
    with (
        embedded_redis.running(socket, tmp_path / "redis.log"),
        Redis.from_url(f"unix://{socket}") as client,
    ):
        use(settings, f"unix://{socket}")
        yield client


def use(settings: Settings, url: str) -> None:
    settings.CACHES = {name: {**cache, "LOCATION": url} for name, cache in settings.CACHES.items()}


def full(redis: Redis) -> None:
    redis.config_set("maxmemory", 1)


def read_only(redis: Redis) -> None:
    redis.replicaof("127.0.0.1", "1")


def log_in_rank_log_out(project: Project, labeler: User) -> None:
    ready_group(project)
    browser = Client()
    login = {"username": labeler.username, "password": PASSWORD}
    assert browser.post(reverse("login"), login).status_code == 302
    assert submit(browser, project, labeler).status_code == 302
    assert browser.post(reverse("logout")).status_code == 302
    assert browser.get(path("rank", project)).headers["Location"].startswith(reverse("login"))
    assert Ranking.objects.filter(labeler=labeler).count() == 1


def test_ranking_needs_no_redis(project: Project, labeler: User, settings: Settings) -> None:
    use(settings, NOBODY)
    log_in_rank_log_out(project, labeler)


@pytest.mark.parametrize("refuse", [full, read_only])
def test_ranking_needs_no_redis_that_stores(
    project: Project, labeler: User, own_redis: Redis, refuse: Callable[[Redis], None]
) -> None:
    refuse(own_redis)
    log_in_rank_log_out(project, labeler)


@pytest.mark.parametrize(
    ("language", "away", "refuses"),
    [
        ("en", "Redis does not answer.", "Redis stores nothing"),
        ("zh-CN", "Redis 没有响应。", "Redis 无法写入"),
    ],
)
def test_the_loop_says_that_redis_is_missing(
    as_: As,
    project: Project,
    owner: User,
    own_redis: Redis,
    settings: Settings,
    language: str,
    away: str,
    refuses: str,
) -> None:
    browser, page = as_(owner), path("project", project)
    headers = {"accept-language": language}
    full(own_redis)
    assert refuses in browser.get(page, headers=headers).content.decode()
    use(settings, NOBODY)
    assert away in browser.get(page, headers=headers).content.decode()


def test_a_part_that_is_silent_is_missing(own_redis: Redis) -> None:
    assert missing_parts() == [*WORKERS, BEAT]
    for part in WORKERS:
        say_alive(part)
    assert missing_parts() == [BEAT]
    say_alive(BEAT)
    assert missing_parts() == []
