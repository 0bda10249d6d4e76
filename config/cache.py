"""Redis as a cache of what is stored elsewhere too."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class SessionCache(RedisCache):
    """Copies of sessions, which are written to the database first and read there without Redis.

    A copy lives for minutes: the one of a session that ended while Redis was away dies by itself.
    """

    LONGEST_SECONDS = 300

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        with self._or_without_redis():
            return super().get(key, default, version)
        return default

    def set(self, key: str, value: Any, timeout: Any = None, version: int | None = None) -> None:
        with self._or_without_redis():
            super().set(key, value, min(timeout, self.LONGEST_SECONDS), version)

    def delete(self, key: str, version: int | None = None) -> bool:
        with self._or_without_redis():
            return super().delete(key, version)
        return False

    def has_key(self, key: str, version: int | None = None) -> bool:
        with self._or_without_redis():
            return super().has_key(key, version)
        return False

    @contextmanager
    def _or_without_redis(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            logger.warning("Redis is away, sessions are read from the database: %s", error)
