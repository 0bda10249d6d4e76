"""Settings of training that have fields of their own, beside the JSON that holds the rest."""

import pytest
from django import forms
from django.utils import translation
from pytest_django import Settings

from annotation.models import PolicyVersion, Project, User
from rewardmodel.forms.training import NAMED, helped
from rewardmodel.services.training_settings import CONFIGS
from tests.pages.conftest import As
from tests.pages.project_forms import page, settings_of
from tests.people import champion


def test_what_a_field_says_is_stored_among_the_settings(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent = settings_of(browser, project, policy_steps=32, policy_algorithm="ppo")
    sent["reward_learning_rate"] = "0.0001"
    assert browser.post(page(project, "project_settings"), sent).status_code == 302
    project.refresh_from_db()
    assert project.policy_settings == {"steps": 32, "algorithm": "ppo"}
    assert project.reward_settings == {"learning_rate": 0.0001}


@pytest.mark.parametrize(("language", "between"), [("en", " "), ("zh-hans", "")])
def test_two_sentences_of_help_are_apart_as_the_language_has_it(
    language: str, between: str
) -> None:
    with translation.override(language):
        assert str(helped("甲。", "乙。")) == f"甲。{between}乙。"


def test_a_second_judge_is_asked_for_with_one_box(as_: As, project: Project, admin: User) -> None:
    browser = as_(admin)
    browser.post(
        page(project, "project_settings"), settings_of(browser, project, reward_second_judge="on")
    )
    project.refresh_from_db()
    assert project.reward_settings == {"second_judge": True}
    form = browser.get(page(project, "project_settings")).context["form"]
    assert form["reward_second_judge"].value() is True
    assert form["reward_settings"].value() == "{}"


def test_stored_settings_stand_in_their_fields_and_the_rest_as_json(
    as_: As, project: Project, admin: User
) -> None:
    project.policy_settings = {"steps": 32, "gae_lambda": 0.9}
    project.save()
    form = as_(admin).get(page(project, "project_settings")).context["form"]
    assert form["policy_steps"].value() == 32
    assert form["policy_settings"].value() == '{"gae_lambda": 0.9}'


def test_an_emptied_field_is_the_default_again(as_: As, project: Project, admin: User) -> None:
    project.policy_settings = {"steps": 32, "gae_lambda": 0.9}
    project.save()
    browser = as_(admin)
    browser.post(page(project, "project_settings"), settings_of(browser, project, policy_steps=""))
    project.refresh_from_db()
    assert project.policy_settings == {"gae_lambda": 0.9}


@pytest.mark.parametrize("named", NAMED, ids=lambda named: named.key)
def test_a_field_shows_its_default_and_holds_to_the_bounds_of_the_json(
    as_: As, project: Project, admin: User, named: object
) -> None:
    form = as_(admin).get(page(project, "project_settings")).context["form"]
    field = form.fields[named.key]  # type: ignore[attr-defined]
    if named.choices:  # type: ignore[attr-defined]
        assert "by default" in str(field.choices[0][1])
        return
    if isinstance(field, forms.BooleanField):
        assert not form[named.key].value()  # type: ignore[attr-defined]
        return
    assert "Default: " in str(field.help_text)
    ranges = CONFIGS[named.kind].RANGES  # type: ignore[attr-defined]
    assert (field.min_value, field.max_value) == ranges[named.name]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"policy_steps": 0}, "policy_steps", "1"),
        ({"reward_learning_rate": 20}, "reward_learning_rate", "10"),
        ({"policy_algorithm": "magic"}, "policy_algorithm", "magic"),
        ({"policy_starts_from": 7}, "policy_starts_from", "7"),
        (
            {"policy_steps": 8, "policy_settings": '{"steps": 9}'},
            "policy_settings",
            "steps has a field above",
        ),
        ({"training_zone": "Mars/Base"}, "training_zone", "Mars"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    as_: As, project: Project, admin: User, changes: dict[str, object], field: str, reason: str
) -> None:
    browser = as_(admin)
    sent = settings_of(browser, project, **changes)
    response = browser.post(page(project, "project_settings"), sent)
    assert reason in str(response.context["form"].errors[field])
    project.refresh_from_db()
    assert project.policy_settings == {}


def test_json_that_names_a_field_is_found_in_that_field_afterwards(
    as_: As, project: Project, admin: User
) -> None:
    browser = as_(admin)
    sent = settings_of(browser, project, policy_settings='{"algorithm": "dpo"}')
    browser.post(page(project, "project_settings"), sent)
    form = browser.get(page(project, "project_settings")).context["form"]
    assert form["policy_algorithm"].value() == "dpo"
    assert form["policy_settings"].value() == "{}"


def test_a_stage_starts_from_a_version_that_an_admin_names(
    as_: As, project: Project, admin: User, settings: Settings
) -> None:
    base = champion(project)
    PolicyVersion.objects.create(project=project, number=1, parent=base, base_model="b", label="x")
    browser = as_(admin)
    form = browser.get(page(project, "project_settings")).context["form"]
    assert (1, "1 · x") in form.fields["policy_starts_from"].choices
    sent = settings_of(browser, project, demonstrations_starts_from=1)
    assert browser.post(page(project, "project_settings"), sent).status_code == 302
    project.refresh_from_db()
    assert project.demonstrations_settings == {"starts_from": 1}


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("kl_budget", "20.0"),
        ("lease_minutes", "30"),
        ("training_daily_at", "03:00"),
        ("training_is_automatic", "yes"),
        ("mode", "put the answers in order"),
    ],
)
def test_a_projects_own_field_says_its_default(
    as_: As, project: Project, admin: User, name: str, default: str
) -> None:
    form = as_(admin).get(page(project, "project_settings")).context["form"]
    assert f"Default: {default}." in str(form[name].help_text)
