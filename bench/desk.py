"""The desk under load: `python bench/desk.py [--labelers 20] [--seconds 20] [--json]`.

Starts the Procfile's web process on a database of its own and lets N labelers work over real HTTP,
with sessions and CSRF, as the desk's own scripts do: each submit is answered with the token of the
next group, which the browser has already, and with the desk of the group after it. Prints labels a
second, the time from a submit to the next group (p50, p95), errors and database queries a request,
for each number of prompts. With `--json` the last line is one object, that of the last number.
With `--live-head MODEL` the Procfile's accelerator worker reads what is ranked with that model all
the while, for the head that follows the rankings.

The database is the one that DATABASE_URL names, with `_bench` after its name, or SQLite in a
temporary folder; it is made anew each time. Without REDIS_URL a private Redis is started.
"""

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlencode

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from annotation.judgment.fields import answer_fields
from bench.desk_data import ANSWERS, SLUG, bench_database, fill, prepare, settings_for
from config import embedded_redis
from config.processes import Process, stop

ROOT = Path(__file__).resolve().parents[1]
TOKEN = re.compile(r'name="token" value="([^"]+)"')


@dataclass(frozen=True)
class Result:
    """Times in milliseconds, of a submit until the next group is known."""

    prompts: int
    labelers: int
    labels: int
    labels_per_second: float
    p50_ms: float
    p95_ms: float
    errors: int
    queries_per_request: float
    seconds: float


@dataclass
class Labeler:
    """One browser: a connection that stays open, a session, the form of the group in work."""

    port: int
    session: str
    times: list[float] = field(default_factory=list)
    requests: int = 0
    queries: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.csrf = ""

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        cookies = f"sessionid={self.session}; csrftoken={self.csrf}"
        headers = {"Cookie": cookies, "Accept": "application/json" if fields else "text/html"}
        body = None
        if fields:
            body = urlencode({**fields, "csrfmiddlewaretoken": self.csrf})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        text = response.read().decode()
        self.requests += 1
        self.queries += int(response.headers.get("X-Queries", 0))
        for cookie in response.headers.get_all("Set-Cookie") or []:
            if cookie.startswith("csrftoken="):
                self.csrf = cookie.split(";")[0].partition("=")[2]
        return response.status, text

    def work(self, until: float) -> None:
        """Ranks one group after another; a desk that has nothing more ends the work."""
        rank = f"/projects/{SLUG}/rank/"
        found = TOKEN.search(self.ask("GET", rank)[1])
        token = found[1] if found else ""
        ranks = {answer_fields(number).rank: str(number) for number in range(1, ANSWERS + 1)}
        self.ask("GET", f"{rank}ahead/")
        while token and time.monotonic() < until:
            began = time.monotonic()
            status, text = self.ask("POST", rank, token=token, **ranks)
            self.times.append(time.monotonic() - began)
            if status != 200:
                self.errors += 1
                return
            token = json.loads(text)["next"] or ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def process_of(name: str, port: int) -> Process:
    """Of the Procfile, not started yet."""
    from config.up import child_environment, processes_of

    every = processes_of(ROOT / "Procfile", {**child_environment(), "PORT": str(port)})
    return next(process for process in every if process.name == name)


def start_server(port: int) -> Process:
    """The web process of the Procfile; its application counts the queries."""
    web = process_of("web", port)
    web.command = [word.replace("config.wsgi", "bench.desk:counted()") for word in web.command]
    web.start()
    for _attempt in range(150):
        time.sleep(0.2)
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            continue
        return web
    stop([web])
    raise SystemExit(f"gunicorn did not start:\n{web.log.read_text()}")


def counted():  # type: ignore[no-untyped-def]
    """The application, saying in a header of each answer how many queries it took."""
    from django.db import connection

    from config.wsgi import application

    def answer(environ, start_response):  # type: ignore[no-untyped-def]
        count = 0

        def count_one(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
            nonlocal count
            count += 1
            return execute(sql, params, many, context)

        def start(status, headers, exc_info=None):  # type: ignore[no-untyped-def]
            return start_response(status, [*headers, ("X-Queries", str(count))], exc_info)

        with connection.execute_wrapper(count_one):
            return application(environ, start)

    return answer


def measure(prompts: int, port: int, sessions: list[str], seconds: float) -> Result:
    labelers = [Labeler(port, session) for session in sessions]
    began = time.monotonic()
    threads = [
        threading.Thread(target=labeler.work, args=[began + seconds]) for labeler in labelers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    times = sorted(one * 1000 for labeler in labelers for one in labeler.times)
    errors = sum(labeler.errors for labeler in labelers)
    requests = sum(labeler.requests for labeler in labelers)
    queries = sum(labeler.queries for labeler in labelers)
    labels = len(times) - errors
    return Result(
        prompts=prompts,
        labelers=len(labelers),
        labels=labels,
        labels_per_second=round(labels / took, 1),
        p50_ms=round(statistics.median(times), 1) if times else 0.0,
        p95_ms=round(times[int(len(times) * 0.95)], 1) if times else 0.0,
        errors=errors,
        queries_per_request=round(queries / max(1, requests), 1),
        seconds=round(took, 1),
    )


def serve_and_measure(
    prompts: int, sessions: list[str], seconds: float, *, is_followed: bool
) -> Result:
    port = free_port()
    processes = [start_server(port)]
    try:
        measure(prompts, port, sessions, 5)  # workers are warm, caches are filled
        if is_followed:
            processes.append(process_of("accelerator", port))
            processes[-1].start()
            wait_until_it_reads()
        result = measure(prompts, port, sessions, seconds)
        if is_followed:
            print(f"  {groups_read()} groups read for the live head so far", file=sys.stderr)
        return result
    finally:
        stop(processes)


def wait_until_it_reads() -> None:
    """The accelerator worker is called to follow the rankings, and has its model in memory."""
    from annotation.models import Project
    from rewardmodel.tasks import call_follower

    before = groups_read()
    call_follower(Project.objects.get(slug=SLUG).pk)
    wait_for(lambda: groups_read() > before)


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise SystemExit(f"Not within {seconds:.0f} s.")
        time.sleep(0.2)


def groups_read() -> int:
    """Their tokens in one layer, which a second file has, are of no account."""
    from rewardmodel.selectors import features_folder

    return sum("." not in path.stem for path in features_folder().rglob("*.safetensors"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--labelers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--prompts", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--live-head", metavar="MODEL", help="folder of a chat model")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="laoshi-bench-") as folder, ExitStack() as stack:
        settings_for(bench_database(Path(folder)), Path(folder))
        if wanted.live_head:
            os.environ["POLICY_MODEL"] = str(Path(wanted.live_head).resolve())
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        if settings.REDIS_IS_EMBEDDED:
            log = Path(folder) / "redis.log"
            stack.enter_context(embedded_redis.running(settings.REDIS_SOCKET, log))
        sessions = prepare(wanted.labelers)
        call_command("collectstatic", interactive=False, verbosity=0)
        print(
            "  prompts  labelers  labels/s   p50 ms   p95 ms  errors  queries/request", flush=True
        )
        for prompts in sorted(wanted.prompts):
            fill(prompts)
            result = serve_and_measure(
                prompts, sessions, wanted.seconds, is_followed=bool(wanted.live_head)
            )
            print(
                f"{result.prompts:9}{result.labelers:10}{result.labels_per_second:10}"
                f"{result.p50_ms:9}{result.p95_ms:9}{result.errors:8}"
                f"{result.queries_per_request:17}",
                flush=True,
            )
        if wanted.json:
            print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
