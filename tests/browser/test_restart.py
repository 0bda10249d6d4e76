"""Nothing that was said is lost when the server goes and comes back while the page is open."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from annotation.models import Draft, Project, User
from config.env import BASE_FOLDER
from tests.browser.conftest import Visit
from tests.browser.desk import board, desk, press
from tests.launcher.launching import free_port
from tests.worker import database_url, wait_for


class Server:
    """A web server in a process of its own on the test's database, always on the same port."""

    def __init__(self, log: Path) -> None:
        self.port, self.log = free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        address = f"127.0.0.1:{self.port}"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--noreload", address],
                cwd=BASE_FOLDER,
                stdout=log,
                stderr=log,
                # With DEBUG the static files need not be collected.
                env={**os.environ, "DATABASE_URL": database_url(), "DEBUG": "1"},
            )
        wait_for(self._answers, tell=lambda: self.log.read_text(errors="replace"))

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "web.log")
    server.start()
    yield server
    server.kill()


def test_a_draft_survives_a_restart_of_the_server(
    visit: Visit, server: Server, work: Project, labeler: User
) -> None:
    window = visit(labeler, base_url=server.url, expecting="ERR_")
    window.clock.install()
    window.goto(desk(work))
    press(window, "2", "Space")
    state = window.locator("#draft-state")
    expect(state).to_have_text("Draft saved")
    server.kill()
    comment = window.locator("#comment")
    comment.fill("Written while the server was down.")
    expect(state).to_contain_text("kept in this browser")
    server.start()
    window.clock.fast_forward(10_000)  # it is tried every ten seconds
    expect(state).to_have_text("Draft saved")
    kept = Draft.objects.get().content
    assert (kept["rank_2"], kept["comment"]) == ("1", "Written while the server was down.")
    window.reload()
    assert board(window) == ["B"]
    expect(comment).to_have_value("Written while the server was down.")
