"""What is drawn of a version, read by axe in both themes and languages."""

import pytest
from django.urls import reverse

from annotation.models import PolicyVersion, Project, User
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious
from tests.people import champion

ANSWERS = {"score": [0.1 * n for n in range(70)], "tokens": list(range(70))}


@pytest.fixture
def taught(transactional_db: None, project: Project) -> PolicyVersion:
    ends = {"parent": {"reward": 0.2, "kl": 0.0}, "new": {"reward": 0.8, "kl": 2.5}}
    return PolicyVersion.objects.create(
        project=project,
        number=1,
        parent=champion(project),
        base_model="b",
        metrics={**ends, "answers": {"parent": ANSWERS, "new": ANSWERS}},
    )


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_in_plots(
    visit: Visit, taught: PolicyVersion, owner: User, scheme: str, language: str
) -> None:
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    window.goto(reverse("version", args=[taught.project.slug, "policy", 1]))
    assert window.locator(".plot").count() == 3
    for details in window.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert serious(window) == [], "wide"
    window.set_viewport_size({"width": 375, "height": 812})
    assert serious(window) == [], "phone"
    too_wide = window.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert too_wide <= 0
