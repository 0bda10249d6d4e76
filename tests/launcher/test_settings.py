"""Settings: every variable is read once, and a bad or missing one stops with one sentence."""

import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from config import env
from tests.launcher.launching import without_what_tests_set


def manage(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with settings of its own, in an empty folder."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=env.BASE_FOLDER,
        env={
            **without_what_tests_set(),
            "VAR_FOLDER": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_secret_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    process = manage(tmp_path, "check")
    assert process.returncode != 0
    assert (
        process.stderr.strip()
        .splitlines()[-1]
        .endswith(
            f"SECRET_KEY is not set and {tmp_path}/secret_key does not exist: set SECRET_KEY to a "
            "long random text, or run `make up`, which makes one."
        )
    )


def test_the_deployment_check_is_clean_behind_https(tmp_path: Path) -> None:
    process = manage(
        tmp_path,
        *("check", "--deploy", "--fail-level", "WARNING"),
        SECRET_KEY="a-random-text-of-more-than-fifty-characters-0123456789",
        SITE_URL="https://laoshi.example.org",
    )
    assert process.returncode == 0, process.stderr


SAID = "from django.conf import settings; print(settings.SECURE_HSTS_SECONDS > 0, {})".format(
    "settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_HSTS_PRELOAD"
)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "True False False"),
        ({"HSTS_SUBDOMAINS": "true"}, "True True False"),
        ({"HSTS_PRELOAD": "true"}, "True True True"),
    ],
)
def test_other_sites_are_bound_to_https_only_when_that_is_asked_for(
    tmp_path: Path, asked: dict[str, str], said: str
) -> None:
    site = {"SECRET_KEY": "unused", "SITE_URL": "https://laoshi.example.org"}
    process = manage(tmp_path, "shell", "--no-imports", "-c", SAID, **site, **asked)
    assert process.stdout.strip() == said, process.stderr


@pytest.mark.django_db
def test_no_model_change_is_without_its_migration() -> None:
    said = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said)
    assert "No changes detected" in said.getvalue()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////data/laoshi.db", {"NAME": "/data/laoshi.db"}),
        ("sqlite:///laoshi.db", {"NAME": "laoshi.db"}),
        ("postgres://%2Fvar%2Frun%2Fpostgresql/laoshi", {"HOST": "/var/run/postgresql"}),
        (
            "postgres://ann:p%40ss@db.example.org:5433/laoshi?sslmode=require",
            {
                "NAME": "laoshi",
                "USER": "ann",
                "PASSWORD": "p@ss",
                "HOST": "db.example.org",
                "PORT": 5433,
                "OPTIONS": env.POSTGRESQL_OPTIONS | {"sslmode": "require"},
            },
        ),
    ],
)
def test_a_database_url_is_understood(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: dict[str, object]
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert expected.items() <= env.database("DATABASE_URL", Path("unused")).items()


def test_a_redis_url_serves_the_cache_and_celery_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://cache.example.org:6380/3")
    address = "redis://cache.example.org:6380/3"
    assert env.redis_url("REDIS_URL", Path("unused")) == (address, address)


def test_without_a_redis_url_both_use_the_private_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert env.redis_url("REDIS_URL", Path("/var/x.sock")) == (
        "unix:///var/x.sock",
        "redis+socket:///var/x.sock",
    )


def test_a_site_url_tells_host_and_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_URL", "https://laoshi.example.org/")
    expected = ("https://laoshi.example.org", "laoshi.example.org", True)
    assert env.site_url("SITE_URL", "unused") == expected


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("DEBUG", "perhaps", "DEBUG is 'perhaps': set it to true or false."),
        ("PORT", "eighty", "PORT is 'eighty': set it to a whole number."),
        ("DATABASE_URL", "mysql://h/n", "DATABASE_URL is not understood"),
        ("DATABASE_URL", "laoshi", "DATABASE_URL is not understood"),
        ("DATABASE_URL", "postgres://db.example.org", "DATABASE_URL is not understood"),
        ("DATABASE_URL", "postgres://db.example.org:five/laoshi", "DATABASE_URL is not understood"),
        ("DATABASE_URL", "sqlite:///", "DATABASE_URL is not understood"),
        ("REDIS_URL", "localhost", "REDIS_URL is 'localhost': set it to redis://host:6379/0."),
        ("SITE_URL", "laoshi.example.org", "SITE_URL is 'laoshi.example.org': set it to"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, x", "TRUSTED_PROXIES is '10.0.0.0/8, x': set it to"),
        ("ROLLOUT_SERVER", "gpu:8000", "ROLLOUT_SERVER is 'gpu:8000': set it to an address"),
        ("ROLLOUT_SERVER", "http://gpu:99999", "ROLLOUT_SERVER is 'http://gpu:99999': set it to"),
        ("ROLLOUT_SERVER", "http://[::1", "ROLLOUT_SERVER is 'http://[::1': set it to an address"),
        ("ROLLOUT_SERVER", "http://u:pw@gpu:80", "ROLLOUT_SERVER holds a user or a password: set"),
        ("JUDGE_API_KEY", "sk-a\nb", "JUDGE_API_KEY holds what no key holds, such as a line's end"),
    ],
)
def test_a_value_that_is_not_understood_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, sentence: str
) -> None:
    monkeypatch.setenv(name, text)
    readers: dict[str, Callable[[], object]] = {
        "DEBUG": lambda: env.flag("DEBUG"),
        "PORT": lambda: env.port("PORT", 8000),
        "DATABASE_URL": lambda: env.database("DATABASE_URL", Path("unused")),
        "REDIS_URL": lambda: env.redis_url("REDIS_URL", Path("unused")),
        "JUDGE_API_KEY": lambda: env.key("JUDGE_API_KEY"),
        "ROLLOUT_SERVER": lambda: env.address("ROLLOUT_SERVER"),
        "SITE_URL": lambda: env.site_url("SITE_URL", "http://localhost"),
        "TRUSTED_PROXIES": lambda: env.networks("TRUSTED_PROXIES", []),
    }
    with pytest.raises(ImproperlyConfigured) as stopped:
        readers[name]()
    assert str(stopped.value).startswith(sentence)
