"""The web server of the Procfile against clients that are slow, large or never done."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from config import limits
from config.env import BASE_FOLDER
from config.processes import Process, stop
from config.up import processes_of
from tests.launcher.launching import free_port, without_what_tests_set

HOST = b"Host: localhost\r\n"
HALF_A_HEAD = b"GET /login/ HTTP/1.1\r\n" + HOST + b"X-Half: "
FORM = (
    b"Cookie: csrftoken=" + b"a" * 32 + b"\r\nContent-Type: application/x-www-form-urlencoded\r\n"
)
LOGIN = b"POST /login/ HTTP/1.1\r\n" + HOST + FORM
PROMPTS = b"POST /projects/kitchen/prompts/ HTTP/1.1\r\n" + HOST + FORM
HALVES = [
    b"",
    HALF_A_HEAD,
    LOGIN + b"Content-Length: 5000\r\n\r\nusername=",
    LOGIN + b"Content-Length: 5000000\r\n\r\nusername=",
    LOGIN + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuser",
    LOGIN + b"Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n",
]


class Server:
    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port
        self.static = Path(process.environment["VAR_FOLDER"]) / "static"

    def connect(self, data: bytes) -> socket.socket:
        """A client that sent this much and waits."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(data)
        return client

    def seconds_to_the_login(self) -> float:
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("GET", "/login/")
        assert connection.getresponse().status == 200
        connection.close()
        return time.monotonic() - began

    def workers(self) -> set[int]:
        assert self.process.popen is not None
        return {each.pid for each in psutil.Process(self.process.popen.pid).children()}


Serve = Callable[..., Server]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts the Procfile's web process; `words` takes the place of some in its command."""
    folder = tmp_path_factory.mktemp("web")
    environment = {
        **without_what_tests_set(),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "SECRET_KEY": "a-random-text-of-more-than-fifty-characters-0123456789",
        "VAR_FOLDER": str(folder),
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v0"]
    subprocess.run(collect, cwd=BASE_FOLDER, env=environment, check=True)

    with ExitStack() as stack:

        def start(words: dict[str, str] | None = None) -> Server:
            port = free_port()
            given = {**environment, "PORT": str(port)}
            web = processes_of(BASE_FOLDER / "Procfile", given)[0]
            web.log = folder / f"{port}.log"
            web.command = [(words or {}).get(word, word) for word in web.command]
            web.start()
            stack.callback(stop, [web])
            server = Server(web, port)
            wait_until(lambda: answers(server), 20)
            return server

        yield start


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve()


def answers(server: Server) -> bool:
    try:
        return server.seconds_to_the_login() < 10
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def everything_from(client: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_fifty_half_sent_requests_of_each_kind_keep_nobody_waiting_and_end(server: Server) -> None:
    clients = [server.connect(half) for half in HALVES for _ in range(50)]
    for _ in range(5):
        assert server.seconds_to_the_login() < 2
    deadline = time.monotonic() + limits.READ_SECONDS + limits.LINGER_SECONDS + 5
    for client in clients:
        everything_from(client)
        assert time.monotonic() < deadline


def test_a_slow_body_keeps_nobody_waiting(server: Server) -> None:
    clients = [server.connect(LOGIN + b"Content-Length: 5000\r\n\r\n") for _ in range(50)]
    for _ in range(5):
        for client in clients:
            client.sendall(b"a")
        assert server.seconds_to_the_login() < 2
    for client in clients:
        client.close()


def test_clients_that_do_not_read_keep_nobody_waiting(server: Server) -> None:
    large = max(server.static.rglob("*.js"), key=lambda file: file.stat().st_size)
    request = f"GET /static/{large.relative_to(server.static)} HTTP/1.1\r\n".encode() + HOST
    clients = []
    for _ in range(50):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect(("127.0.0.1", server.port))
        client.sendall((request + b"\r\n") * 10)
        clients.append(client)
    for _ in range(5):
        assert server.seconds_to_the_login() < 2
    for client in clients:
        client.close()


def test_an_answer_that_is_read_slowly_comes_whole(server: Server) -> None:
    large = max(server.static.rglob("*.js"), key=lambda file: file.stat().st_size)
    request = f"GET /static/{large.relative_to(server.static)} HTTP/1.1\r\n".encode() + HOST
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect(("127.0.0.1", server.port))
        client.sendall((request + b"\r\n") * 9 + request + b"Connection: close\r\n\r\n")
        time.sleep(1)
        assert everything_from(client).count(large.read_bytes()) == 10


def test_clients_that_do_not_close_keep_nobody_waiting(server: Server) -> None:
    request = b"GET /login/ HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    clients = [server.connect(request) for _ in range(50)]
    for client in clients:
        assert client.recv(12) == b"HTTP/1.1 200"
    for _ in range(5):
        assert server.seconds_to_the_login() < 2
    for client in clients:
        client.close()


def test_more_connections_than_there_is_room_for_shut_nobody_out(serve: Serve) -> None:
    server = serve({"500": "20"})
    clients = [server.connect(HALF_A_HEAD) for _ in range(100)]
    for _ in range(5):
        assert server.seconds_to_the_login() < 2
    for client in clients:
        client.close()


def test_a_strangers_large_form_is_refused_before_it_is_read(server: Server) -> None:
    with server.connect(LOGIN + b"Content-Length: 400000000\r\n\r\n") as client:
        client.sendall(b"a" * limits.BODY_BEFORE_LOGIN)
        assert client.recv(12) == b"HTTP/1.1 413"
    with server.connect(PROMPTS + b"Content-Length: 30000000\r\n\r\n") as client:
        client.sendall(b"a" * limits.BODY_BEFORE_LOGIN)
        assert client.recv(12) == b"HTTP/1.1 302"


def test_a_head_without_end_is_refused(server: Server) -> None:
    with server.connect(HALF_A_HEAD + b"a" * (limits.HEAD + 1)) as client:
        assert client.recv(12) == b"HTTP/1.1 431"


def test_requests_sent_together_are_answered_in_turn(server: Server) -> None:
    request = b"GET /login/ HTTP/1.1\r\n" + HOST
    with server.connect(request + b"\r\n" + request[:10]) as client:
        client.sendall(request[10:] + b"Connection: close\r\n\r\n")
        assert everything_from(client).count(b"HTTP/1.1 200") == 2


def test_who_asks_whether_to_go_on_is_told_to(server: Server) -> None:
    head = b"Content-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with server.connect(LOGIN + head) as client:
        assert client.recv(12) == b"HTTP/1.1 100"
        client.sendall(b"a=b&")
        assert b"HTTP/1.1 403" in everything_from(client)  # it holds no token


@pytest.mark.parametrize("path", [b"/hangs/", b"/hangs-in-c/"])
def test_a_view_that_never_returns_is_ended_and_others_go_on(serve: Serve, path: bytes) -> None:
    server = serve({"config.wsgi": "tests.launcher.hanging", "40": "5"})
    before = server.workers()
    client = server.connect(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    wait_until(lambda: len(before - server.workers()) == 1, 30)
    assert everything_from(client) == b""
    wait_until(lambda: len(server.workers()) == 2, 20)
    assert len(before & server.workers()) == 1
    assert server.seconds_to_the_login() < 2


def test_views_that_never_return_take_no_more_requests_with_them(serve: Serve) -> None:
    server = serve({"config.wsgi": "tests.launcher.hanging", "40": "5"})
    request = b"GET /hangs/ HTTP/1.1\r\n" + HOST + b"\r\n"
    clients = [server.connect(request) for _ in range(2)]
    time.sleep(2 * limits.STUCK_SECONDS)
    for _ in range(20):
        assert server.seconds_to_the_login() < 2
    for client in clients:
        assert everything_from(client) == b""
    log = server.process.log.read_text()
    assert "A request does not end, its worker is replaced" in log
    assert "hanging.py" in log
