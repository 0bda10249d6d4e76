"""The labelers of bench/faults.py: people with browsers who give up no submit."""

from __future__ import annotations

import http.client
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from annotation.judgment.fields import answer_fields
from bench.fault_installation import SLUG

LOGIN, RANK = "/login/", f"/projects/{SLUG}/rank/"
TOKEN = re.compile(r'name="token" value="([^"]+)"')
RANK_FIELD = re.compile(r'name="(rank_\d+)"')
PATIENCE = 20.0  # seconds that a browser waits for an answer (static/js/posting.js)
THINKING = (0.5, 1.5)  # seconds
FINISHING = 120.0  # seconds for what is under way when the work ends
NO_ANSWER = 0


@dataclass(frozen=True)
class Told:
    """What a labeler knows of a submit: stored, or refused with a sentence."""

    token: str
    labeler: str
    ranks: tuple[int, ...]  # in the order shown
    is_stored: bool
    sent_at: float
    told_at: float


@dataclass
class Labeler:
    name: str
    password: str
    port: int
    chance: random.Random
    told: list[Told]
    ending: threading.Event
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def work(self) -> None:
        """Until the end is near; what was sent by then is sent until there is an answer."""
        while not self.ending.wait(self.chance.uniform(*THINKING)):
            status, page = self._ask("GET", RANK)
            found = TOKEN.search(page)
            if status == HTTPStatus.FOUND:
                self._log_in()
            elif found is not None:
                self._submit(found[1], len(set(RANK_FIELD.findall(page))))

    def _submit(self, token: str, answers: int) -> None:
        ranks = tuple(self.chance.sample(range(1, answers + 1), answers))
        said = {answer_fields(number).rank: str(rank) for number, rank in enumerate(ranks, 1)}
        while True:
            sent_at = time.monotonic()
            status, text = self._ask("POST", RANK, token=token, **said)
            is_stored = status == HTTPStatus.OK and text.startswith('{"next"')
            if is_stored or status == HTTPStatus.CONFLICT:
                now = time.monotonic()
                self.told.append(Told(token, self.name, ranks, is_stored, sent_at, now))
                return
            if status in (HTTPStatus.FOUND, HTTPStatus.FORBIDDEN):
                self._log_in()
            time.sleep(self.chance.uniform(*THINKING))

    def _log_in(self) -> None:
        self._ask("GET", LOGIN)  # for the cookie that a form needs
        self._ask("POST", LOGIN, username=self.name, password=self.password)

    def _ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        """Status and text, or NO_ANSWER."""
        headers = {"Cookie": "; ".join(f"{name}={text}" for name, text in self.cookies.items())}
        body = None
        if fields:
            fields["csrfmiddlewaretoken"] = self.cookies.get("csrftoken", "")
            body = urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Accept"] = "application/json"
        try:
            self.connection.request(method, path, body, headers)
            response = self.connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return NO_ANSWER, ""
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return response.status, text


@dataclass
class Crew:
    """Labelers at work, each in a thread; `told` grows with every answer to a submit."""

    told: list[Told]
    threads: list[threading.Thread]

    @property
    def unfinished(self) -> int:
        """Labelers who have had no answer, or an answer that no browser expects."""
        return sum(thread.is_alive() for thread in self.threads)

    def was_acknowledged(self, since: float) -> bool:
        """Whether a submit that was sent after this moment is stored by what the labeler knows."""
        return any(one.is_stored and one.sent_at >= since for one in reversed(self.told))


@contextmanager
def at_work(names: list[str], password: str, port: int, seed: int) -> Iterator[Crew]:
    """Labelers who begin now; on leaving they finish what is under way."""
    told: list[Told] = []
    ending = threading.Event()
    labelers = [
        Labeler(name, password, port, random.Random(f"{seed} {name}"), told, ending)
        for name in names
    ]
    threads = [threading.Thread(target=one.work, daemon=True) for one in labelers]
    for thread in threads:
        thread.start()
    try:
        yield Crew(told, threads)
    finally:
        ending.set()
        deadline = time.monotonic() + FINISHING
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
