"""A real browser on a real server, watched for anything that goes wrong in it."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotation.models import PolicyVersion, Project, User
from tests.people import (  # noqa: F401
    PASSWORD,
    admin,
    labeler,
    owner,
    project,
    ready_group,
    serving_reward_model,
)
from tests.tiny import build_tiny_adapter
from tests.worker import Worker

# Playwright runs an event loop in this thread, in which Django would refuse the database.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

Visit = Callable[..., Page]
ENDS_SOON = 36  # the seed of an adapter whose likeliest answer to "Hi" ends after 13 tokens


@pytest.fixture
def visit(live_server: LiveServer, new_context: Callable[..., BrowserContext]) -> Iterator[Visit]:
    """Opens a browser window in which the user is logged in; keywords are those of Playwright's
    contexts.

    When the test ends, no window may have seen a script error, a blocked resource or a dialog,
    but for console messages, and dialogs that the test answers, that hold the text `expecting`.
    """
    troubles: list[str] = []

    expected: list[str] = []
    windows: list[Page] = []

    def note_console(message: ConsoleMessage) -> None:
        is_expected = any(text in message.text for text in expected)
        if message.type in {"error", "warning"} and not is_expected:
            troubles.append(message.text)

    def note_dialog(dialog: Dialog) -> None:
        if any(text in dialog.message for text in expected):
            return
        troubles.append(dialog.message)
        dialog.dismiss()

    def open_window(user: User | None = None, expecting: str = "", **given: Any) -> Page:
        if expecting:
            expected.append(expecting)
        defaults = {"base_url": live_server.url, "locale": "en-GB"}
        window = new_context(**{**defaults, **given}).new_page()
        windows.append(window)
        window.set_default_timeout(10_000)
        window.on("console", note_console)
        window.on("pageerror", lambda error: troubles.append(str(error)))
        window.on("dialog", note_dialog)
        if user is not None:
            let_in(window, user, given.get("base_url", live_server.url))
        return window

    yield open_window
    for window in windows:
        window.context.close()
    wait_for_the_server()
    assert troubles == []


@pytest.fixture
def work(transactional_db: None, project: Project) -> Project:  # noqa: F811
    """Two groups that wait for a labeler."""
    ready_group(project, "How do I boil an egg?")
    ready_group(project, "Why is the sky blue?")
    return project


@pytest.fixture(scope="module")
def worker(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """It stays for all tests of a file, and with it what it has loaded."""
    running = Worker(tmp_path_factory.mktemp("worker") / "accelerator.log")
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def brief_adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_adapter(tiny_model, tmp_path_factory.mktemp("brief"), ENDS_SOON)


@pytest.fixture
def inside(
    transactional_db: None,
    worker: Worker,
    project: Project,  # noqa: F811
    tiny_model: Path,
    brief_adapter: Path,
    tiny_reward_model: Path,
) -> Project:
    """A base model, a policy on it, and a reward model."""
    project.policyversions.update(base_model=str(tiny_model))
    PolicyVersion.objects.create(
        project=project, number=1, base_model=str(tiny_model), path=str(brief_adapter)
    )
    serving_reward_model(project, base_model=str(tiny_model), path=str(tiny_reward_model))
    return project


def wait_for_the_server() -> None:
    """Requests under way would hold rows while the database is emptied after the test."""
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(timeout=10)


def let_in(window: Page, user: User, server: str) -> None:
    """With a session that the user has already: the form for it has tests of its own."""
    browser = Client()
    browser.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    window.context.add_cookies(
        [{"name": name, "value": browser.cookies[name].value, "url": server}]
    )


def log_in(window: Page, user: User) -> None:
    window.goto("/login/")
    window.locator("[name=username]").fill(user.username)
    window.locator("[name=password]").fill(PASSWORD)
    window.locator("main form button").click()
    expect(window).to_have_url("/", timeout=10_000)
