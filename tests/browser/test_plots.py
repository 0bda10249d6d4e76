"""What is drawn of a version, read by axe in both themes and languages."""

import pytest
from django.urls import reverse

from annotation.models import PolicyVersion, Project, User
from tests.browser.conftest import Visit
from tests.browser.test_accessible import (
    STILL,
    assert_good_when_wide_and_on_a_phone,
    in_both_themes_and_languages,
)
from tests.people import champion, serving_reward_model

ANSWERS = {"score": [0.1 * n for n in range(70)], "tokens": list(range(70))}


@pytest.fixture
def taught(transactional_db: None, project: Project) -> PolicyVersion:
    scores = {"0": ANSWERS["score"], "1": ANSWERS["score"]}
    serving_reward_model(project, metrics={"answers_by_policy": scores})
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
    slug = taught.project.slug
    card, versions = reverse("version", args=[slug, "policy", 1]), reverse("versions", args=[slug])
    for page, plots in ((card, 3), (versions, 1)):
        window.goto(page)
        assert window.locator(".plot").count() == plots
        assert_good_when_wide_and_on_a_phone(window)
