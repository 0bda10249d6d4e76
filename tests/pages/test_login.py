"""The brake on logins: guessers are stopped before a password is hashed, people let in."""

import logging
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from annotation.models import User
from annotation.services import login
from annotation.views.requests import client_network
from tests.people import PASSWORD

WRONG = "wrong"
HERE, THERE = "192.0.2.1", "198.51.100.1"
PROXY = [ip_network("10.0.0.0/8")]


class Clock:
    """Begins an hour; people, and the guessers here, take two seconds to an attempt."""

    now = 999_997_200

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Of the brake; nothing was counted before."""
    clock = Clock()
    monkeypatch.setattr("annotation.services.login.time", clock)
    monkeypatch.setattr(Clock, "now", Clock.now)
    yield clock
    for cache in caches.all():
        cache.clear()


class CountingHasher(MD5PasswordHasher):
    hashed = 0

    def encode(self, *given: Any) -> str:
        type(self).hashed += 1
        return super().encode(*given)


def attempt(
    name: str, password: str = WRONG, address: str = HERE, client: Client | None = None
) -> HttpResponse:
    """In a browser of its own unless one is given."""
    Clock.now += 2
    sent = {"username": name, "password": password}
    response: Any = (client or Client()).post("/login/", sent, REMOTE_ADDR=address)
    return response  # type: ignore[no-any-return]


def is_refused(response: HttpResponse) -> bool:
    return response.status_code == HTTPStatus.TOO_MANY_REQUESTS


def is_in(response: HttpResponse) -> bool:
    return response.status_code == HTTPStatus.FOUND


def from_everywhere(name: str, count: int) -> None:
    """Wrong passwords, each from another address."""
    for number in range(count):
        attempt(name, address=f"203.0.{number // 250}.{number % 250 + 1}")


def test_sixty_wrong_passwords_and_the_right_one_is_not_looked_at(owner: User) -> None:
    answers = [attempt("owner") for _ in range(60)]
    assert not is_refused(answers[9])
    assert all(is_refused(answer) for answer in answers[10:])
    assert is_refused(attempt("owner", PASSWORD))


def test_what_is_refused_hashes_nothing(settings: Settings, owner: User) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    before = CountingHasher.hashed
    for number in range(login.ADDRESS.limit + 200):
        attempt(f"nobody-{number}")
    assert CountingHasher.hashed - before == login.ADDRESS.limit


def test_attempts_in_a_hurry_are_braked_sooner(
    settings: Settings, clock: Clock, owner: User
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    before, began = CountingHasher.hashed, clock.now
    for number in range(3 * login.HURRY.limit):
        Clock.now = began
        refused = attempt(f"nobody-{number}")
    assert CountingHasher.hashed - before == login.HURRY.limit
    assert int(refused.headers["Retry-After"]) <= login.HURRY.seconds
    Clock.now += login.HURRY.seconds
    assert is_in(attempt("owner", PASSWORD))


def test_a_refusal_says_when_to_try_again_and_nothing_of_the_account(owner: User) -> None:
    pages = []
    for name in ("owner", "nobody"):
        refused = [attempt(name) for _ in range(login.PLACE.limit + 1)][-1]
        assert 0 < int(refused.headers["Retry-After"]) <= login.PLACE.seconds + 1
        assert "There were too many attempts." in refused.content.decode()
        pages.append(len(refused.content) - len(name))
    assert len(set(pages)) == 1


def test_when_the_window_is_over_the_password_is_looked_at_again(owner: User) -> None:
    for _ in range(20):
        refused = attempt("owner")
    Clock.now += int(refused.headers["Retry-After"])
    assert is_in(attempt("owner", PASSWORD))


def test_right_passwords_use_nothing_up(owner: User) -> None:
    assert all(is_in(attempt("owner", PASSWORD)) for _ in range(login.ADDRESS.limit + 1))


def test_other_accounts_at_the_same_address_go_on(owner: User, stranger: User) -> None:
    for _ in range(20):
        attempt("owner")
    assert is_in(attempt("stranger", PASSWORD))


def test_one_address_shuts_nobody_out_elsewhere(owner: User) -> None:
    for _ in range(login.ACCOUNT.limit + 20):
        attempt("owner")
    assert is_in(attempt("owner", PASSWORD, THERE))


def test_many_addresses_are_braked_together(owner: User) -> None:
    from_everywhere("owner", login.ACCOUNT.limit)
    assert is_refused(attempt("owner", PASSWORD, THERE))


def test_a_browser_that_logged_in_before_is_shut_out_by_no_stranger(owner: User) -> None:
    known = Client()
    assert is_in(attempt("owner", PASSWORD, client=known))
    known.post("/logout/")
    from_everywhere("owner", login.ACCOUNT.limit)
    for number in range(login.ADDRESS.limit):
        attempt(f"nobody-{number}")
    assert is_refused(attempt("owner", PASSWORD))
    assert is_in(attempt("owner", PASSWORD, client=known))


def test_a_browser_that_logged_in_before_guesses_no_more_than_others(
    owner: User, stranger: User
) -> None:
    known = Client()
    attempt("owner", PASSWORD, client=known)
    known.post("/logout/")
    assert is_refused([attempt("owner", client=known) for _ in range(11)][-1])
    for _ in range(11):
        refused = attempt("stranger", client=known)
    assert is_refused(refused)


def test_names_that_are_read_alike_share_a_count(owner: User) -> None:
    for name in ("owner", "OWNER", "ｏｗｎｅｒ") * 4:
        attempt(name)
    assert is_refused(attempt("owner", PASSWORD))


def test_failures_and_the_brake_are_logged(owner: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "annotation.services.login"):
        for _ in range(20):
            attempt("owner")
    said = [record.getMessage() for record in caplog.records if record.name == login.__name__]
    assert said == [
        *[f"Login to 'owner' from {HERE} failed"] * 10,
        f"Logins to 'owner' from {HERE}: account and address brake",
    ]


def test_the_admins_login_is_the_one_that_is_braked(client: Client, owner: User) -> None:
    sent = {"username": "owner", "password": PASSWORD, "next": "/admin/"}
    response = client.post("/admin/login/?next=/admin/annotation/user/", sent)
    assert response.headers["Location"] == "/login/?next=/admin/annotation/user/"
    assert client.get("/admin/").headers["Location"] == "/admin/login/?next=/admin/"


def test_who_may_not_enter_the_admin_is_told_so_instead_of_being_led_in_circles(
    client: Client, owner: User
) -> None:
    client.force_login(owner)
    assert client.get("/admin/", follow=True).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("remote", "forwarded", "seen"),
    [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.2.2.2", "198.51.100.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
    ],
)
def test_only_configured_proxies_say_whose_request_it_is(
    settings: Settings, remote: str, forwarded: str, seen: str
) -> None:
    settings.TRUSTED_PROXIES = PROXY
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=remote, headers=headers)
    assert client_network(request) == seen


@pytest.fixture
def _redis_is_away(settings: Settings) -> None:
    away = {"LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {
        name: given | (away if "LOCATION" in given else {})
        for name, given in settings.CACHES.items()
    }


@pytest.mark.usefixtures("_redis_is_away")
def test_without_redis_people_log_in_work_and_log_out(client: Client, owner: User) -> None:
    assert is_in(attempt("owner", PASSWORD, client=client))
    assert client.get("/").status_code == HTTPStatus.OK
    client.post("/logout/")
    assert client.get("/").status_code == HTTPStatus.FOUND


@pytest.mark.usefixtures("_redis_is_away")
def test_without_redis_each_web_process_brakes_for_itself(owner: User) -> None:
    for _ in range(20):
        refused = attempt("owner")
    assert is_refused(refused)
    assert is_refused(attempt("owner", PASSWORD))
