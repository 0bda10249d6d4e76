"""Questions that the accelerator worker answers at once, while somebody waits at a page.

They wait in Redis, not in a table: whoever asked asks again, and what nobody waits for any more is
forgotten within seconds. A free worker is called by a message; a busy one looks between two steps.
"""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from config.celery import app

PATIENCE = 1.5  # seconds that a request of the web server waits
ASKED_FOR = 10  # seconds after which nobody waits for an answer any more

AWAY = (RedisError, OperationalError)
"""What is raised when Redis does not answer, or stores nothing."""

Question = dict[str, Any]
Answer = dict[str, Any]


def ask(box: str, task: str, question: Question, patience: float = PATIENCE) -> Answer | None:
    """The answer of the worker, which `task` calls; None when it has none yet: ask again.

    Raises one of AWAY.
    """
    redis, text = _redis(), json.dumps(question, sort_keys=True)
    key = hashlib.sha256(f"{box} {text}".encode()).hexdigest()
    if known := redis.lindex(_answer(key), 0):
        return dict(json.loads(known))
    if redis.set(_body(key), text, ex=ASKED_FOR, nx=True):
        redis.rpush(_waiting(box), key)
    else:
        redis.expire(_body(key), ASKED_FOR)
    app.send_task(task, expires=ASKED_FOR)
    # It stays there for whoever else asks the same.
    found = redis.blmove(_answer(key), _answer(key), patience)
    return None if found is None else dict(json.loads(found))


def answer_waiting(box: str, answer: Callable[[Question], Answer]) -> None:
    """Answers all that wait, in the worker."""
    redis = _redis()
    while (key := redis.lpop(_waiting(box))) is not None:
        text = redis.getdel(_body(key))
        if text is None:  # nobody waits for it any more
            continue
        said = json.dumps(answer(json.loads(text)))
        with redis.pipeline() as together:
            together.rpush(_answer(key), said).expire(_answer(key), ASKED_FOR).execute()


def _waiting(box: str) -> str:
    return f"laoshi:{box}:waiting"


def _body(key: str) -> str:
    return f"laoshi:asked:{key}"


def _answer(key: str) -> str:
    return f"laoshi:answer:{key}"


@cache
def _redis() -> Any:
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=5, socket_connect_timeout=2, decode_responses=True
    )
