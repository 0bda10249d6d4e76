"""What every test stands on: a Redis, compiled translations, a tiny model, a browser."""

import gc
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from celery import Celery
from django.conf import settings
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.utils import translation

from config import embedded_redis
from config.celery import app
from config.translations import compile_translations
from tests import chromium
from tests.people import admin, labeler, neighbour, owner, project, stranger  # noqa: F401

NOBODY = "redis://127.0.0.1:1/0"
"""Where no Redis answers."""

SLOW = (
    "annotation/test_uploads",
    "browser/test_losing_nothing",
    "launcher/test_faults",
    "launcher/test_outages",
    "launcher/test_refusals",
    "launcher/test_up",
    "launcher/test_web_server",
    "learning/test_distributed",
    "learning/test_launch",
    "learning/test_reward_gate",
    "learning/test_word_chain",
    "pages/test_playground",
    "rewardmodel/test_full_disk",
    "rewardmodel/test_kill",
    "rewardmodel/test_language_runs",
    "rewardmodel/test_live_head",
    "rewardmodel/test_loop",
    "rewardmodel/test_outages",
    "rewardmodel/test_pretraining_runs",
    "rewardmodel/test_rehearsal",
)
"""What takes more than half a minute begins first: at the end, one process would wait for it."""


hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)


def pytest_configure() -> None:
    hypothesis.settings.load_profile("busy")  # a machine that does other work fails no test
    for folder in settings.LOCALE_PATHS:
        compile_translations(folder)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is made here stays to the end: no garbage is looked for in it, now or later."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.enable()
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(SLOW))


@pytest.fixture(scope="session", autouse=True)
def redis() -> Iterator[None]:
    """The Redis that REDIS_URL names, or the embedded one in the tests' folder."""
    if not settings.REDIS_IS_EMBEDDED:
        yield
        return
    with embedded_redis.running(settings.REDIS_SOCKET, settings.VAR_FOLDER / "redis.log"):
        yield


@pytest.fixture(scope="session", autouse=True)
def _emptied_row_by_row() -> Iterator[None]:
    """After a test few rows are left; PostgreSQL would make the files of every table anew."""
    with pytest.MonkeyPatch.context() as patch:
        if connection.vendor == "postgresql":
            patch.setattr(type(connection.ops), "sql_flush", deletions)
        yield


def deletions(
    operations: BaseDatabaseOperations, _style: object, tables: Sequence[str], **_how: bool
) -> list[str]:
    """In any order: references are checked when all are done."""
    return [f"DELETE FROM {operations.quote_name(table)}" for table in tables]  # noqa: S608


@pytest.fixture
def no_broker(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages to workers reach nobody; what follows a commit is done, as outside of tests."""
    nobody = Celery(broker=NOBODY, set_as_current=False)
    monkeypatch.setattr(app, "send_task", nobody.send_task)


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    """A page in another language leaves it on for whatever this thread does next."""
    yield
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a chat model that takes no time."""
    from tests.tiny import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def tiny_adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter with which the tiny model answers otherwise."""
    from tests.tiny import build_tiny_adapter

    return build_tiny_adapter(tiny_model, tmp_path_factory.mktemp("tiny-adapter"))


@pytest.fixture(scope="session")
def tiny_reward_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reward model that is a head on the tiny model."""
    from tests.tiny import build_tiny_reward_model

    return build_tiny_reward_model(tiny_model, tmp_path_factory.mktemp("tiny-reward-model"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    flags = [*chromium.FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return {**browser_type_launch_args, "executable_path": chromium.of_the_system(), "args": flags}
