"""Who may try a password: attempts are counted before any password is hashed.

The counts lie in Redis. While it is away each web process counts for itself: people can log in,
and a guesser has as many times the attempts as there are web processes.
"""

import hashlib
import logging
import unicodedata
from dataclasses import dataclass, field
from time import time

from django.core.cache import BaseCache, caches
from django.utils.crypto import constant_time_compare, salted_hmac
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class TooManyAttempts(Exception):
    """No password was looked at; one may be tried again after so many seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"{seconds} seconds to wait")
        self.seconds = seconds


@dataclass(frozen=True)
class Brake:
    """So many failed attempts in each window of so many seconds."""

    limit: int
    seconds: int


# A hash takes a processor for about as long as ten pages: HURRY leaves most of it to the others.
# Guessers have 1,440 attempts a day at an account from one address and 2,400 from all together; one
# address cannot use up what an account has for all.
HURRY = Brake(6, 10)
PLACE = Brake(10, 600)
ADDRESS = Brake(60, 600)
ACCOUNT = Brake(100, 3600)


@dataclass
class Attempt:
    """A look at a password: begun before it, and failed until it is said to have succeeded.

    A browser that has logged in to the account before keeps its `browser_mark`. It shares no count
    with strangers, so that none can shut it out (OWASP, "Slow Down Online Guessing Attacks with
    Device Cookies").
    """

    account: str
    address: str
    kept_mark: str = ""
    _counted: list[tuple[str, Brake]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.account = unicodedata.normalize("NFKC", self.account).casefold()

    @property
    def browser_mark(self) -> str:
        """For the browser to keep after it logged in; nobody else can make it up."""
        return salted_hmac("laoshi.login", self.account, algorithm="sha256").hexdigest()

    def begin(self) -> None:
        """Raises TooManyAttempts."""
        for name, of, brake in self._brakes():
            key, left = _window(name, of, brake)
            count = _add(key, 1, brake)
            if count > brake.limit:
                if count == brake.limit + 1:
                    logger.warning(
                        "Logins to %r from %s: %s brake", self.account, self.address, name
                    )
                raise TooManyAttempts(left)
            self._counted.append((key, brake))

    def fail(self) -> None:
        logger.warning("Login to %r from %s failed", self.account, self.address)

    def succeed(self) -> None:
        for key, brake in self._counted:
            _add(key, -1, brake)

    def _brakes(self) -> list[tuple[str, str, Brake]]:
        place = f"{self.account}\n{self.address}"
        if constant_time_compare(self.kept_mark, self.browser_mark):
            return [("known browser", place, PLACE)]
        return [
            ("address in a hurry", self.address, HURRY),
            ("address", self.address, ADDRESS),
            ("account and address", place, PLACE),
            ("account", self.account, ACCOUNT),
        ]


def _window(name: str, of: str, brake: Brake) -> tuple[str, int]:
    """The key of what is counted in the present window, and the seconds until it ends."""
    now = time()
    number = int(now // brake.seconds)
    digest = hashlib.sha256(f"{name}\n{of}\n{number}".encode()).hexdigest()
    return f"login:{digest}", int((number + 1) * brake.seconds - now) + 1


def _add(key: str, delta: int, brake: Brake) -> int:
    try:
        return _add_in(caches["default"], key, delta, brake)
    except RedisError as error:
        logger.warning("Redis is away, logins are counted by each web process: %s", error)
        return _add_in(caches["process"], key, delta, brake)


def _add_in(cache: BaseCache, key: str, delta: int, brake: Brake) -> int:
    cache.add(key, 0, brake.seconds)
    return cache.incr(key, delta)
