"""Which of Laoshi's processes are there: each says so every few seconds, in Redis."""

from contextlib import suppress

from django.core.cache import cache
from redis import exceptions

SAID_EVERY = 10.0  # seconds
BELIEVED_FOR = 45
WORKERS = ("default", "accelerator")
BEAT = "beat"
REDIS_AWAY, REDIS_REFUSES = "redis_away", "redis_refuses"


def say_alive(part: str) -> None:
    """Of a worker, by the queue it serves, or of beat. Without Redis, nobody hears."""
    with suppress(exceptions.RedisError):
        cache.set(_key(part), True, BELIEVED_FOR)


def missing_parts() -> list[str]:
    """What does not work: Redis, alone since nothing works without; else the silent processes."""
    try:
        cache.set(_key("redis"), True, BELIEVED_FOR)
        heard = cache.get_many([_key(part) for part in (*WORKERS, BEAT)])
    except (exceptions.ConnectionError, exceptions.TimeoutError):
        return [REDIS_AWAY]
    except exceptions.RedisError:  # full, or a copy that is only read
        return [REDIS_REFUSES]
    return [part for part in (*WORKERS, BEAT) if _key(part) not in heard]


def _key(part: str) -> str:
    return f"alive-{part}"
