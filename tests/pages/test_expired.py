"""A session that ended under an open page: the login leads to the page that held the form."""

import pytest
from django.test import Client

from annotation.models import Project, User
from tests.pages.desk import AS_SCRIPT, path
from tests.people import PASSWORD

FORMS = ["flag", "skip", "give_back", "undo", "groups_retry", "run_start", "generate"]


@pytest.mark.parametrize("name", FORMS)
def test_a_form_leads_through_the_login_to_its_page(
    client: Client, project: Project, owner: User, name: str
) -> None:
    held_by = f"http://testserver{path('rank', project)}?undone"
    answer = client.post(path(name, project), headers={"referer": held_by})
    login = answer.headers["Location"]
    assert login == "/login/?next=/projects/kitchen/rank/%3Fundone"
    html = client.get(login).content.decode()
    assert "You were logged out meanwhile, so nothing was stored." in html
    data = {"username": "owner", "password": PASSWORD, "next": f"{path('rank', project)}?undone"}
    page = client.post(login, data, follow=True)
    assert page.status_code == 200
    assert page.request["PATH_INFO"] == path("rank", project)


def test_the_login_says_why_in_chinese_too(client: Client, project: Project) -> None:
    answer = client.post(path("flag", project), headers={"accept-language": "zh-CN"})
    html = client.get(answer.headers["Location"], headers={"accept-language": "zh-CN"})
    assert "您已退出登录，所以还没有保存。" in html.content.decode()


@pytest.mark.parametrize("referer", ["", "https://evil.example/form", "javascript:alert(1)"])
def test_a_form_of_another_site_or_of_none_leads_home(
    client: Client, project: Project, referer: str
) -> None:
    answer = client.post(path("flag", project), headers={"referer": referer})
    assert answer.headers["Location"] == "/login/?next=/"


def test_whoever_logs_out_twice_is_not_led_to_an_address_that_takes_forms_only(
    client: Client, project: Project
) -> None:
    page = path("mine", project)
    answer = client.post("/logout/", headers={"referer": f"http://testserver{page}"})
    assert answer.headers["Location"] == f"/login/?next={page}"


def test_a_script_is_redirected_without_a_word_for_the_next_page(
    client: Client, project: Project
) -> None:
    answer = client.post(path("draft", project), headers=AS_SCRIPT)
    assert answer.status_code == 302
    assert "logged out meanwhile" not in client.get("/login/").content.decode()


def test_a_page_that_was_only_asked_for_is_shown_after_the_login(
    client: Client, project: Project
) -> None:
    asked = f"{path('triples', project)}?lowest=0"
    assert (
        client.get(asked).headers["Location"]
        == "/login/?next=/projects/kitchen/triples/%3Flowest%3D0"
    )
