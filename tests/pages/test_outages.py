"""Without Redis, or without room to store: ranking goes on, or it is said why it does not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from redis import Redis

from annotation.models import Project, Ranking, User
from annotation.services.tokens import make_token
from annotation.services.uploads import work_on_upload
from config import embedded_redis
from config.parts import BEAT, WORKERS, missing_parts, say_alive
from tests.conftest import NOBODY
from tests.pages.conftest import As
from tests.pages.desk import opened, path, submit
from tests.people import PASSWORD, ask, ready_group

PAIR = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}


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


WAY = ["/", "/projects/kitchen/rank/", "/login/", "/login/?next=/projects/kitchen/rank/"]


def log_in_rank_log_out(project: Project, labeler: User) -> list[str]:
    """Where each step led."""
    ready_group(project)
    browser = Client()
    login = {"username": labeler.username, "password": PASSWORD}
    steps = [
        browser.post(reverse("login"), login),
        submit(browser, project, labeler),
        browser.post(reverse("logout")),
        browser.get(path("rank", project)),
    ]
    return [step.headers["Location"] for step in steps]


def test_ranking_needs_no_redis(project: Project, labeler: User, settings: Settings) -> None:
    use(settings, NOBODY)
    assert log_in_rank_log_out(project, labeler) == WAY
    assert Ranking.objects.filter(labeler=labeler).count() == 1


def test_programs_need_no_redis(project: Project, owner: User, settings: Settings) -> None:
    use(settings, NOBODY)
    _token, secret = make_token(owner, name="script", scope="read", days=1)
    headers = {"authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/projects", headers=headers).status_code == 200


@pytest.mark.parametrize("refuse", [full, read_only])
def test_ranking_needs_no_redis_that_stores(
    project: Project, labeler: User, own_redis: Redis, refuse: Callable[[Redis], None]
) -> None:
    refuse(own_redis)
    assert log_in_rank_log_out(project, labeler) == WAY
    assert Ranking.objects.filter(labeler=labeler).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="how full it may get is SQLite's to say")
@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "The server has no room to store anything"), ("zh-CN", "服务器没有空间可以写入")],
)
def test_what_a_full_disk_does_not_store_is_said_and_can_be_sent_again(
    project: Project, labeler: User, language: str, sentence: str
) -> None:
    ready_group(project)
    browser = Client(raise_request_exception=False)
    browser.force_login(labeler)
    form = opened(browser, project, labeler)
    form["comment"] = "Too long for the room there is. " * 150
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0]}")
        answer = browser.post(path("rank", project), form, headers={"accept-language": language})
        cursor.execute("PRAGMA max_page_count = 1073741823")
    assert answer.status_code == 507
    assert sentence in answer.content.decode()
    assert not Ranking.objects.exists()
    assert browser.post(path("rank", project), form).status_code == 302
    assert Ranking.objects.count() == 1


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


def test_an_import_waits_for_a_broker(
    as_: As, project: Project, owner: User, no_broker: None
) -> None:
    browser, file = as_(owner), SimpleUploadedFile("pairs.jsonl", json.dumps(PAIR).encode())
    assert browser.post(path("imports", project), {"file": file}).status_code == 302
    upload = project.uploads.get()
    assert upload.file.exists()
    work_on_upload(upload.pk)
    said = {"source": "here", "licence": "MIT", "has_consent": "on"}
    assert browser.post(path("import_add", project, upload.pk), said).status_code == 302
    work_on_upload(upload.pk)
    assert project.groups.count() == 1


def test_the_import_command_needs_no_broker(
    project: Project, tmp_path: Path, no_broker: None
) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(PAIR))
    said = {"source": "here", "licence": "MIT", "consent": True}
    call_command("import", str(file), project=project.slug, add=True, **said)
    assert project.groups.count() == 1


def test_groups_wait_for_a_broker(
    as_: As, project: Project, owner: User, no_broker: None, caplog: pytest.LogCaptureFixture
) -> None:
    ask(project, "one")
    answer = as_(owner).post(path("generate", project), follow=True)
    assert answer.status_code == 200
    assert project.groups.count() == 1
    assert "Error calling call_worker" in caplog.text


def test_a_part_that_is_silent_is_missing(own_redis: Redis) -> None:
    assert missing_parts() == [*WORKERS, BEAT]
    for part in WORKERS:
        say_alive(part)
    assert missing_parts() == [BEAT]
    say_alive(BEAT)
    assert missing_parts() == []
