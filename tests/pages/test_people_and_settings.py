"""Members, settings, and what every visitor may choose."""

import re
from pathlib import Path

import pytest
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from annotation.models import Membership, PolicyVersion, Project, User
from annotation.services.assignments import take_assignment
from tests.pages.conftest import As
from tests.people import PASSWORD, champion, ready_group


def page(project: Project, name: str = "people", *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


# People


def test_somebody_with_an_account_is_added_by_name(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "stranger", "add-role": "admin"}
    as_(owner).post(page(project), data)
    assert project.memberships.get(user=stranger).role == "admin"


@pytest.mark.parametrize(
    ("name", "reason"), [("nobody", "Nobody is called"), ("owner", "is a member already")]
)
def test_a_name_that_cannot_be_added_says_why(
    as_: As, project: Project, owner: User, name: str, reason: str
) -> None:
    data = {"add": "1", "add-username": name, "add-role": "labeler"}
    assert reason in as_(owner).post(page(project), data).content.decode()
    assert project.memberships.get(user=owner).role == "owner"


def test_the_owner_role_is_not_given_away_by_the_form(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "stranger", "add-role": "owner"}
    as_(owner).post(page(project), data)
    assert not project.memberships.filter(user=stranger).exists()


def test_a_new_labeler_can_log_in_with_the_password_that_was_shown(
    as_: As, project: Project, owner: User
) -> None:
    browser = as_(owner)
    html = browser.post(page(project), {"create": "1", "new-username": "mei"}).content.decode()
    found = re.search(r'class="secret">([^<]+)<', html)
    assert found is not None
    assert Client().login(username="mei", password=found[1])
    assert project.memberships.get(user__username="mei").role == "labeler"
    assert found[1] not in browser.get(page(project)).content.decode()


def test_a_taken_name_is_refused(as_: As, project: Project, owner: User) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": "Owner"})
    assert "is taken, or reads like one that is: choose another" in html.content.decode()


@pytest.mark.parametrize(
    "name",
    ["ｏｗｎｅｒ", "OWNER", "оwner", "0wner", "ownеr", "ᴏᴡner"],
    ids=["full width", "capitals", "one Cyrillic letter", "a digit", "another", "small capitals"],
)
def test_a_name_that_reads_like_another_is_refused_in_a_sentence(
    as_: As, project: Project, owner: User, name: str
) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": name})
    assert "reads like one that is: choose another" in html.content.decode()
    assert User.objects.count() == 1


@pytest.mark.parametrize("name", ["mei", "梅", "Müller", "owner2", "оля"])
def test_other_names_are_taken(as_: As, project: Project, owner: User, name: str) -> None:
    as_(owner).post(page(project), {"create": "1", "new-username": name})
    assert project.memberships.filter(user__username=name).exists()


def test_a_name_that_grows_too_long_when_it_is_normalized_is_refused(
    as_: As, project: Project, owner: User
) -> None:
    html = as_(owner).post(page(project), {"create": "1", "new-username": "ﷺ" * 20})
    assert "at most 150 characters" in html.content.decode()


def test_somebody_is_found_by_their_name_however_it_is_typed(
    as_: As, project: Project, owner: User, stranger: User
) -> None:
    data = {"add": "1", "add-username": "ｓtranger", "add-role": "labeler"}
    as_(owner).post(page(project), data)
    assert project.memberships.filter(user=stranger).exists()


def test_djangos_admin_refuses_a_name_that_reads_like_another(as_: As, owner: User) -> None:
    root = User.objects.create_superuser("root")
    password = "a-long-password-of-nobody"
    sent = {"username": "оwner", "password1": password, "password2": password}
    html = as_(root).post("/admin/annotation/user/add/", {**sent, "usable_password": "true"})
    assert "reads like one that is" in html.content.decode()
    owner.is_staff = True
    owner.full_clean()  # a name that is kept is not looked at again


def test_a_member_is_removed_and_their_group_is_free_again(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    group = ready_group(project)
    take_assignment(project, labeler)
    membership = project.memberships.get(user=labeler)
    as_(owner).post(page(project, "member", membership.pk), {"remove": "1"})
    assert not project.memberships.filter(user=labeler).exists()
    assert group.assignments.get().labeler is None


def test_somebody_is_removed_only_after_a_question(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    membership = project.memberships.get(user=labeler)
    asking = page(project, "member_remove", membership.pk)
    assert f'href="{asking}"' in browser.get(page(project)).content.decode()
    assert 'name="remove"' not in browser.get(page(project)).content.decode()
    html = browser.get(asking).content.decode()
    assert "Remove labeler from Kitchen?" in html
    assert f'action="{page(project, "member", membership.pk)}"' in html
    assert project.memberships.filter(user=labeler).exists()
    chinese = browser.get(asking, headers={"accept-language": "zh-CN"}).content.decode()
    assert "将 labeler 从 Kitchen 移除？" in chinese
    ownership = project.memberships.get(role=Membership.Role.OWNER)
    assert browser.get(page(project, "member_remove", ownership.pk)).status_code == 404
    assert as_(labeler).get(asking).status_code == 403


@pytest.mark.parametrize("change", [{"remove": "1"}, {"role": "labeler"}])
def test_the_owner_stays_the_owner(
    as_: As, project: Project, admin: User, change: dict[str, str]
) -> None:
    ownership = project.memberships.get(role=Membership.Role.OWNER)
    as_(admin).post(page(project, "member", ownership.pk), change)
    ownership.refresh_from_db()
    assert ownership.role == "owner"


def test_a_role_is_changed(as_: As, project: Project, owner: User, labeler: User) -> None:
    membership = project.memberships.get(user=labeler)
    as_(owner).post(page(project, "member", membership.pk), {"role": "admin"})
    membership.refresh_from_db()
    assert membership.role == "admin"


# Settings


def settings_of(browser: Client, project: Project, **changes: object) -> dict[str, object]:
    """What the settings form would send as it stands, with changes."""
    form = browser.get(page(project, "project_settings")).context["form"]
    values = {name: form[name].value() for name in form.fields}
    sent = {
        name: value for name, value in values.items() if value is not None and value is not False
    }
    return {**sent, **changes}


def test_a_higher_overlap_opens_assignments_in_groups_that_are_ready(
    as_: As, project: Project, owner: User
) -> None:
    group = ready_group(project)
    browser = as_(owner)
    browser.post(page(project, "project_settings"), settings_of(browser, project, overlap=3))
    assert group.assignments.count() == 3


def test_admins_choose_what_labelers_are_asked(as_: As, project: Project, admin: User) -> None:
    project.prompt_marks = ["sensitive"]
    project.save()
    browser = as_(admin)
    asked = {
        **{"mode": "thumbs", "asks_quality": "on", "demonstrations_wanted": 2},
        **{"answer_flags": ["sexual"], "prompt_marks": []},
    }
    sent = settings_of(browser, project, **asked)
    assert browser.post(page(project, "project_settings"), sent).status_code == 302
    project.refresh_from_db()
    assert (project.mode, project.asks_quality) == ("thumbs", True)
    assert project.demonstrations_wanted == 2
    assert (project.answer_flags, project.prompt_marks) == (["sexual"], [])


def test_settings_that_are_stored_as_they_stand_change_nothing(
    as_: As, project: Project, owner: User
) -> None:
    project.answer_flags, project.prompt_marks = ["opinion"], ["sensitive"]
    project.reward_settings = {"epochs": 2}
    project.save()
    before = model_to_dict(project)
    browser = as_(owner)
    browser.post(page(project, "project_settings"), settings_of(browser, project))
    project.refresh_from_db()
    assert model_to_dict(project) == before


def test_the_former_address_of_the_labeling_settings_leads_to_their_section(
    as_: As, project: Project, owner: User
) -> None:
    html = as_(owner).get("/projects/kitchen/desk/", follow=True)
    assert html.redirect_chain == [("../settings/#labeling", 301)]
    assert html.request["PATH_INFO"] == page(project, "project_settings")
    assert '<fieldset class="card" id="labeling">' in html.content.decode()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reward_settings": '{"learning_speed": 1}'}, "learning_speed"),
        ({"policy_settings": '{"steps": "many"}'}, "steps"),
        ({"policy_settings": '{"pretraining_text": "/etc/passwd"}'}, "one of this project&#x27;s"),
        ({"policy_settings": '{"rollout_server": "http://10.0.0.1"}'}, "rollout_server cannot"),
        ({"policy_settings": '{"adapter": "/srv/adapter"}'}, "adapter cannot"),
        ({"reward_settings": '{"demonstrations": "/etc/passwd"}'}, "demonstrations cannot"),
        ({"policy_settings": "[1]"}, "Write a JSON object"),
        ({"reward_settings": "{oops"}, "JSON"),
        ({"reward_settings": '{"a":' * 100_000}, "nested deeper than 32 levels"),
        ({"policy_settings": f'{{"steps": {"9" * 5000}}}'}, "more than 40 characters"),
        ({"policy_settings": '{"kl_budget": 1e999}'}, "not finite"),
        ({"reward_settings": r'{"\ud83d": 1}'}, "half a character"),
        ({"answers_per_group": 1}, "2"),
        ({"lease_minutes": 99999999999}, "10080"),
        ({"queue_target": 2**63 - 1}, "10000"),
        ({"kl_budget": "1e400"}, "number"),
        ({"kl_budget": "nan"}, "number"),
        ({"policy_settings": '{"steps": 1000000000}'}, "1 to 1000000"),
        ({"policy_settings": '{"beta": NaN}'}, "not finite"),
        ({"reward_settings": '{"learning_rate": 1e400}'}, "not finite"),
        ({"reward_settings": '{"labeler_weights": {"\\ud83d": 1}}'}, "half a character"),
        ({"mode": "applause"}, "applause"),
        ({"answer_flags": ["charming"]}, "charming"),
    ],
)
def test_settings_that_do_not_fit_are_refused_with_the_reason(
    as_: As, project: Project, owner: User, changes: dict[str, object], reason: str
) -> None:
    browser = as_(owner)
    sent = settings_of(browser, project, name="Changed", **changes)
    response = browser.post(page(project, "project_settings"), sent)
    field = next(iter(changes))
    assert reason in str(response.context["form"].errors[field])
    project.refresh_from_db()
    assert project.name == "Kitchen"


def new_project(browser: Client, **changes: object) -> dict[str, object]:
    form = browser.get("/projects/new/").context["form"]
    values = {name: form[name].value() for name in form.fields}
    sent = {
        name: value for name, value in values.items() if value is not None and value is not False
    }
    return {**sent, "name": "Garden", "slug": "garden", **changes}


def test_a_new_project_has_its_owner_and_a_first_policy(as_: As, owner: User) -> None:
    owner.is_staff = True
    owner.save()
    browser = as_(owner)
    response = browser.post("/projects/new/", new_project(browser))
    project = Project.objects.get(slug="garden")
    assert response.headers["Location"] == page(project, "prompts")
    assert project.memberships.get().user == owner
    assert project.policyversions.get().number == 0


@pytest.mark.parametrize("slug", ["new", "kitchen", "with space"])
def test_an_address_that_cannot_be_used_is_refused(
    as_: As, project: Project, owner: User, slug: str
) -> None:
    owner.is_staff = True
    owner.save()
    browser = as_(owner)
    response = browser.post("/projects/new/", new_project(browser, slug=slug))
    assert "slug" in response.context["form"].errors


def test_what_an_earlier_version_stored_is_shown_and_refused_when_stored_again(
    as_: As, project: Project, owner: User
) -> None:
    stored = {"pretraining_text": "/etc/passwd"}
    Project.objects.filter(pk=project.pk).update(policy_settings=stored)
    browser = as_(owner)
    assert "/etc/passwd" in browser.get(page(project, "project_settings")).content.decode()
    response = browser.post(page(project, "project_settings"), settings_of(browser, project))
    assert "pretraining_text" in str(response.context["form"].errors["policy_settings"])


@pytest.mark.parametrize(
    ("model", "is_allowed"),
    [
        ("", True),
        ("MODELS/tiny", True),
        ("Qwen/Qwen2.5-0.5B-Instruct", True),
        ("MODELS/../secret", False),
        ("MODELS-of-others", False),
        ("/etc", False),
        ("Qwenty/model", False),
        ("Qwen/../../etc", False),
        ("openai-community/gpt2", False),
    ],
)
def test_a_project_begins_with_a_model_that_the_installation_allows(
    as_: As,
    owner: User,
    settings: Settings,
    tmp_path: Path,
    tiny_model: Path,
    model: str,
    is_allowed: bool,
) -> None:
    (tmp_path / "tiny").symlink_to(tiny_model)
    settings.POLICY_MODELS = [str(tmp_path), "Qwen"]
    owner.is_staff = True
    owner.save()
    browser = as_(owner)
    entered = model.replace("MODELS", str(tmp_path))
    response = browser.post("/projects/new/", new_project(browser, policy_model=entered))
    assert Project.objects.filter(slug="garden").exists() == is_allowed
    assert is_allowed or "POLICY_MODELS" in response.content.decode()


def test_a_superuser_begins_a_project_with_any_model(
    as_: As, owner: User, tiny_model: Path
) -> None:
    owner.is_superuser = True
    owner.save()
    browser = as_(owner)
    sent = new_project(browser, policy_model=str(tiny_model))
    html = browser.post("/projects/new/", sent, follow=True).content.decode()
    assert "LlamaForCausalLM" in html
    assert "none named" in html
    version = Project.objects.get(slug="garden").policyversions.get()
    assert version.base_model == str(tiny_model)


def test_a_model_that_cannot_be_checked_from_here_is_taken_and_that_is_said(
    as_: As, owner: User, settings: Settings
) -> None:
    settings.POLICY_MODELS = ["Qwen"]
    owner.is_staff = True
    owner.save()
    browser = as_(owner)
    sent = new_project(browser, policy_model="Qwen/Qwen2.5-0.5B-Instruct")
    html = browser.post("/projects/new/", sent, follow=True).content.decode()
    assert "The base model could not be checked" in html


def test_a_base_model_is_refused_with_the_reason_before_anything_is_made(
    as_: As, owner: User, tmp_path: Path
) -> None:
    owner.is_superuser = True
    owner.save()
    browser = as_(owner)
    response = browser.post("/projects/new/", new_project(browser, policy_model=str(tmp_path)))
    assert "has no readable config.json" in str(response.context["form"].errors["policy_model"])
    assert not Project.objects.filter(slug="garden").exists()


def test_the_base_model_is_changed_while_no_version_builds_on_it(
    as_: As, project: Project, owner: User, settings: Settings, tiny_model: Path
) -> None:
    settings.POLICY_MODELS = [str(tiny_model)]
    browser = as_(owner)
    sent = settings_of(browser, project, policy_model=str(tiny_model))
    assert browser.post(page(project, "project_settings"), sent).status_code == 302
    version = project.policyversions.get()
    assert (version.number, version.base_model) == (0, str(tiny_model))


def test_a_base_model_that_answered_stays_a_version_of_its_own(
    as_: As, project: Project, owner: User, settings: Settings, tiny_model: Path
) -> None:
    settings.POLICY_MODELS = [str(tiny_model)]
    answered = ready_group(project).policy
    browser = as_(owner)
    sent = settings_of(browser, project, policy_model=str(tiny_model))
    browser.post(page(project, "project_settings"), sent)
    first, second = project.policyversions.order_by("number")
    assert (first, first.status, first.base_model) == (answered, "retired", settings.POLICY_MODEL)
    assert (second.status, second.base_model, second.parent) == (
        "champion",
        str(tiny_model),
        None,
    )


def test_a_base_model_that_versions_build_on_stays(
    as_: As, project: Project, owner: User, settings: Settings, tiny_model: Path
) -> None:
    settings.POLICY_MODELS = [str(tiny_model)]
    base = champion(project)
    PolicyVersion.objects.create(project=project, number=1, parent=base, base_model="b")
    browser = as_(owner)
    sent = settings_of(browser, project, policy_model=str(tiny_model))
    browser.post(page(project, "project_settings"), sent)
    base.refresh_from_db()
    assert base.base_model == settings.POLICY_MODEL
    html = browser.get(page(project, "project_settings")).content.decode()
    assert "It stays, since versions build on it." in html


# Visitors


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
