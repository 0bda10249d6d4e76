"""Typed readers of environment variables: a bad value stops the start with one sentence."""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import quote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

BASE_FOLDER = Path(__file__).resolve().parent.parent
# Compiling or planning a query that reads a few rows of a million takes longer than running it:
# so none is compiled, and a query that comes again is planned once a connection. A PgBouncer that
# pools transactions has to be of version 1.21 or later for that.
POSTGRESQL_OPTIONS = {"options": "-c jit=off", "server_side_binding": True, "prepare_threshold": 5}
SQLITE, POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to true or false.")
    return default


def whole_number(name: str, default: int) -> int:
    value = text(name)
    if not value:
        return default
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to a whole number.")
    return int(value)


def port(name: str, default: int) -> int:
    value = whole_number(name, default)
    if not 1 <= value <= 65535:
        raise ImproperlyConfigured(f"{name} is {value}: set it to a number from 1 to 65535.")
    return value


def names(name: str, default: list[str]) -> list[str]:
    value = text(name)
    return [item.strip() for item in value.split(",") if item.strip()] if value else default


def networks(name: str, default: list[str]) -> list[IPv4Network | IPv6Network]:
    """Addresses or networks such as 10.0.0.0/8, separated by commas."""
    try:
        return [ip_network(each) for each in names(name, default)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is {text(name)!r}: set it to addresses or networks such as 10.0.0.0/8."
        ) from error


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def var_folder() -> Path:
    """Where everything that Laoshi writes lies; `make up` needs it before there are settings."""
    return folder("VAR_FOLDER", BASE_FOLDER / "var")


def secret(name: str, file: Path) -> str:
    """The variable, else the file that `make up` wrote on its first run."""
    value = text(name)
    if not value and file.is_file():
        value = file.read_text().strip()
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set and {file} does not exist: set {name} to a long random text, "
            "or run `make up`, which makes one."
        )
    return value


def address(name: str, default: str = "") -> str:
    """Of a server, http or https; "" where neither variable nor default names one."""
    value = text(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if "@" in value:
        raise ImproperlyConfigured(f"{name} holds a user or a password: set it without them.")
    if value and not is_one:
        raise ImproperlyConfigured(
            f"{name} is {value!r}: set it to an address such as https://laoshi.example.org."
        )
    return value


def key(name: str) -> str:
    """What a server wants to see in a header; "" where none is set."""
    value = text(name)
    if not (value.isascii() and value.isprintable()):
        raise ImproperlyConfigured(f"{name} holds what no key holds, such as a line's end.")
    return value


def site_url(name: str, default: str) -> tuple[str, str, bool]:
    """The public address as (origin, host name, whether it is https)."""
    value = address(name, default)
    parts = urlsplit(value)
    return value, parts.hostname or "", parts.scheme == "https"


def database(name: str, default: Path) -> dj_database_url.DBConfig:
    """`postgres://user:password@host:port/name` or `sqlite:///path`, as Django's dictionary."""
    value = text(name, f"sqlite:///{quote(str(default))}")
    try:
        found = dj_database_url.parse(value, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        found = {}
    if found.get("ENGINE") not in {SQLITE, POSTGRESQL} or found["NAME"] in {"", ":memory:"}:
        raise ImproperlyConfigured(
            f"{name} is not understood: set it to postgres://user:password@host:5432/name "
            "or to sqlite:///path."
        )
    if found["ENGINE"] == POSTGRESQL:
        found["OPTIONS"] = {**POSTGRESQL_OPTIONS, **found.get("OPTIONS", {})}
    return found


def redis_url(name: str, socket: Path) -> tuple[str, str]:
    """Redis as (address for redis-py, address for Celery); by default the private one on `socket`.

    Both use the database that a redis:// address names; on a socket the broker's is database 0.
    The cache's keys have a prefix.
    """
    value = text(name)
    if not value:
        return f"unix://{socket}", f"redis+socket://{socket}"
    parts = urlsplit(value)
    if parts.scheme == "unix":
        return value, f"redis+socket://{parts.path}"
    if parts.scheme not in {"redis", "rediss"}:
        raise ImproperlyConfigured(f"{name} is {value!r}: set it to redis://host:6379/0.")
    return value, value
