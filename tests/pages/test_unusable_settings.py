"""Training settings that cannot be used: no page breaks, and they are mended where they are set."""

import json

import pytest
from django.db import connection

from annotation.models import Project, User
from tests.pages.conftest import As
from tests.pages.desk import submit
from tests.pages.project_forms import page, settings_of
from tests.pages.test_languages import PAGES
from tests.people import ready_group

# Of an earlier version, or written by hand
UNUSABLE = [
    {"\ud83d": "\ude00"},
    {"algorithm": "\ud83d"},
    {"algorithm": ["rloo"]},
    {"method": {}},
    {"starts_from": [1]},
    {"steps": 10**400},
    {"steps": 1e9},
    {"pretraining_text": "/etc/passwd", "rollout_server": "http://10.0.0.1"},
    [1],
    "fast",
    5,
]


@pytest.mark.parametrize("stored", UNUSABLE, ids=ascii)
def test_settings_that_cannot_be_used_hide_no_page_and_are_mended_on_theirs(
    as_: As, project: Project, owner: User, labeler: User, stored: object
) -> None:
    if connection.vendor == "postgresql" and "\\ud" in json.dumps(stored):
        pytest.skip("PostgreSQL holds no half characters.")
    ready_group(project)
    submit(as_(labeler), project, labeler)
    both = {"reward_settings": stored, "policy_settings": stored}
    Project.objects.filter(pk=project.pk).update(**both)
    browser = as_(owner)
    start = browser.post(page(project, "run_start"), {"kind": "reward"}, follow=True)
    assert "training settings do not fit" in start.content.decode()
    for name in PAGES:
        assert browser.get(page(project, name)).status_code == 200, name
    as_it_is = settings_of(browser, project)
    refused = browser.post(page(project, "project_settings"), as_it_is)
    assert {"reward_settings", "policy_settings"} == refused.context["form"].errors.keys()
    mended = {**as_it_is, "reward_settings": "{}", "policy_settings": "{}"}
    assert browser.post(page(project, "project_settings"), mended).status_code == 302
    project.refresh_from_db()
    assert (project.reward_settings, project.policy_settings) == ({}, {})
