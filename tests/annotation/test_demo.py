"""The project that an installation starts with."""

from pathlib import Path
from typing import Any

import pytest

from annotation.models import Project
from annotation.services.demo import load_demo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


def demo() -> Project:
    assert load_demo()
    return Project.objects.get(slug="demo")


def test_the_default_model_is_asked_for_short_answers_so_that_most_of_them_end(
    settings: Any,
) -> None:
    settings.POLICY_MODEL = str(settings.DEFAULT_POLICY_FOLDER)
    assert demo().system_prompt == "Answer in at most 15 words."


def test_another_model_which_may_take_no_system_prompt_answers_as_it_likes(settings: Any) -> None:
    settings.POLICY_MODEL = "another/model"
    assert demo().system_prompt == ""


def test_an_installation_with_users_is_left_as_it_is(owner: object) -> None:
    assert not load_demo()
    assert not Project.objects.filter(slug="demo").exists()
