"""What a project asks for, and what it begins with."""

from pathlib import Path

import pytest
from django.forms import model_to_dict
from pytest_django import Settings

from annotation.models import PolicyVersion, Project, User
from tests.pages.conftest import As
from tests.pages.project_forms import new_project, page, settings_of
from tests.people import champion, ready_group


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
