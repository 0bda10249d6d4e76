"""Questions that the accelerator worker answers at once, while somebody waits at a page.

They wait in Redis, not in a table: whoever asked asks again, and what nobody waits for any more is
forgotten within seconds. A free worker is called by a message; a busy one looks between two steps.
Where an answer says what is asked next, as in a text that is being written, the worker stays a few
ahead of whoever asks.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from time import monotonic
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from config.celery import app

PATIENCE = 1.5  # seconds that a request of the web server waits
ASKED_FOR = 10  # seconds after which nobody waits for an answer any more
AHEAD = 3  # answers of a chain that are given before they are asked for: so late does a stop come
TURN = 1.0  # seconds that the worker answers before it does something else

AWAY = (RedisError, OperationalError)
"""What is raised when Redis does not answer, or stores nothing."""

Question = dict[str, Any]
Answer = dict[str, Any]


def ask(
    box: str, task: str, question: Question, patience: float = PATIENCE, chain: str = ""
) -> Answer | None:
    """The answer of the worker, which `task` calls; None when it has none yet: ask again.

    Questions of which one follows from the answer to another name their `chain`. Raises one of
    AWAY.
    """
    redis, text = _redis(), json.dumps(question, sort_keys=True)
    key = _key(box, text)
    if known := redis.lindex(_answer(key), 0):
        if chain:
            _ask_on(box, task, chain)
        return dict(json.loads(known))
    if chain:
        redis.set(_ahead(chain), AHEAD, ex=ASKED_FOR)
    _put(box, text, chain)
    app.send_task(task, expires=ASKED_FOR)
    # It stays there for whoever else asks the same.
    found = redis.blmove(_answer(key), _answer(key), patience)
    return None if found is None else dict(json.loads(found))


def answer_waiting(
    box: str,
    answer: Callable[[Question], Answer],
    asked_next: Callable[[Question, Answer], Question | None] = lambda *_both: None,
) -> None:
    """Answers what waits, in the worker, in the order asked, for a turn; the rest waits on."""
    redis, until = _redis(), monotonic() + TURN
    while monotonic() < until and (entry := redis.lpop(_waiting(box))) is not None:
        key, _space, chain = entry.partition(" ")
        text = redis.getdel(_body(key))
        # Nobody waits for it any more; or it was asked again while it was being answered.
        if text is None or redis.exists(_answer(key)):
            continue
        question = json.loads(text)
        said = answer(question)
        with redis.pipeline() as together:
            together.rpush(_answer(key), json.dumps(said)).expire(_answer(key), ASKED_FOR).execute()
        if chain and (following := asked_next(question, said)):
            _go_on(box, json.dumps(following, sort_keys=True), chain)


def _ask_on(box: str, task: str, chain: str) -> None:
    """One answer was taken: the worker may give one more ahead."""
    redis = _redis()
    with redis.pipeline() as together:
        together.incr(_ahead(chain)).expire(_ahead(chain), ASKED_FOR).execute()
    if following := redis.getdel(_paused(chain)):
        _go_on(box, following, chain)
        app.send_task(task, expires=ASKED_FOR)


def _go_on(box: str, text: str, chain: str) -> None:
    """With the question after an answer, unless that is far enough ahead."""
    redis = _redis()
    if int(redis.get(_ahead(chain)) or 0) > 0:
        redis.decr(_ahead(chain))
        _put(box, text, chain)
    else:
        redis.set(_paused(chain), text, ex=ASKED_FOR)


def _put(box: str, text: str, chain: str) -> None:
    redis, key = _redis(), _key(box, text)
    if redis.set(_body(key), text, ex=ASKED_FOR, nx=True):
        redis.rpush(_waiting(box), f"{key} {chain}")
    else:
        redis.expire(_body(key), ASKED_FOR)


def _key(box: str, text: str) -> str:
    return hashlib.sha256(f"{box} {text}".encode()).hexdigest()


def _waiting(box: str) -> str:
    return f"laoshi:{box}:waiting"


def _body(key: str) -> str:
    return f"laoshi:asked:{key}"


def _answer(key: str) -> str:
    return f"laoshi:answer:{key}"


def _ahead(chain: str) -> str:
    return f"laoshi:ahead:{chain}"


def _paused(chain: str) -> str:
    return f"laoshi:paused:{chain}"


@cache
def _redis() -> Any:
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2, decode_responses=True
    )
