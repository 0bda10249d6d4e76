"""What every visitor may choose, and what a login says."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import User
from tests.pages.conftest import As
from tests.people import PASSWORD


def test_a_wrong_name_and_a_wrong_password_are_answered_alike(client: Client, owner: User) -> None:
    pages = {
        re.sub(r'value="[^"]*"', "", client.post("/login/", data).content.decode())
        for data in (
            {"username": "owner", "password": "wrong"},
            {"username": "nobody", "password": "wrong"},
        )
    }
    assert len(pages) == 1
    assert "do not match an account" in pages.pop()


def test_logging_in_leads_to_where_one_wanted_to_go(client: Client, owner: User) -> None:
    data = {"username": "owner", "password": PASSWORD, "next": "/projects/new/"}
    assert client.post("/login/", data).headers["Location"] == "/projects/new/"


def test_the_language_is_chosen_before_logging_in(client: Client, db: None) -> None:
    client.post("/language/", {"language": "zh-hans", "next": "/login/"})
    assert "登录" in client.get("/login/").content.decode()


def test_the_browsers_language_is_followed(client: Client, db: None) -> None:
    html = client.get("/login/", headers={"accept-language": "zh-CN"}).content.decode()
    assert '<html lang="zh-hans"' in html


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_kept_in_a_cookie(client: Client, db: None, theme: str) -> None:
    response = client.post("/theme/", {"theme": theme, "next": "/login/"})
    assert response.headers["Location"] == "/login/"
    assert f'data-theme="{theme}"' in client.get("/login/").content.decode()
    client.post("/theme/", {"theme": "auto", "next": "/login/"})
    assert "data-theme=" not in client.get("/login/").content.decode()


def test_the_language_is_kept_for_a_year(client: Client, db: None) -> None:
    client.post(reverse("language"), {"language": "zh-hans"})
    cookie = client.cookies["django_language"]
    assert (cookie["max-age"], cookie["samesite"]) == (365 * 24 * 60 * 60, "Lax")
    assert '<html lang="zh-hans"' in client.get(reverse("login")).content.decode()


def test_after_a_wrong_password_the_name_is_kept_and_the_password_is_typed_again(
    client: Client, labeler: User
) -> None:
    first = client.get(reverse("login")).content.decode()
    sent = {"username": labeler.username, "password": "wrong"}
    html = client.post(reverse("login"), sent).content.decode()
    assert "autofocus" in tag_of("id_username", first)
    assert "autofocus" not in tag_of("id_password", first)
    assert f'value="{labeler.username}"' in tag_of("id_username", html)
    assert "autofocus" not in tag_of("id_username", html)
    assert "autofocus" in tag_of("id_password", html)


def tag_of(name: str, html: str) -> str:
    tags: list[str] = [tag for tag in re.findall("<input[^>]*>", html) if f'id="{name}"' in tag]
    return tags[0]


def test_the_theme_switch_leads_to_no_other_site(client: Client, db: None) -> None:
    response = client.post("/theme/", {"theme": "dark", "next": "https://evil.example/"})
    assert response.headers["Location"] == "/"


def test_a_theme_that_does_not_exist_is_not_written_into_the_page(client: Client, db: None) -> None:
    client.cookies["theme"] = '"><script>'
    assert "data-theme=" not in client.get("/login/").content.decode()


def test_what_is_not_there_is_said_in_a_page_of_our_own(as_: As, owner: User) -> None:
    response = as_(owner).get("/nothing/")
    assert response.status_code == 404
    assert "Nothing here" in response.content.decode()
