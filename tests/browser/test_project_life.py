"""Settings, archiving and deleting in a real browser, with keys alone, and for everybody."""

from playwright.sync_api import expect

from annotation.models import Project, User
from tests.browser.conftest import Visit
from tests.browser.test_accessible import STILL, in_both_themes_and_languages, serious


@in_both_themes_and_languages
def test_axe_finds_nothing_serious_on_the_pages_of_a_projects_life(
    transactional_db: None,
    visit: Visit,
    project: Project,
    owner: User,
    scheme: str,
    language: str,
) -> None:
    owner.is_staff = True
    owner.save()
    window = visit(owner, color_scheme=scheme, locale=language, **STILL)
    home = f"/projects/{project.slug}/"
    for page in (home, f"{home}settings/", f"{home}copy/", f"{home}versions/policy/0/"):
        window.goto(page)
        assert serious(window) == [], page
    window.goto(f"{home}settings/")
    window.locator("#life form button").press("Enter")
    for page in (home, f"{home}settings/", f"{home}delete/", "/"):
        window.goto(page)
        assert serious(window) == [], f"{page}, archived"


def test_a_project_is_archived_and_deleted_with_keys_alone(
    transactional_db: None, visit: Visit, project: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{project.slug}/settings/")
    window.get_by_role("button", name="Archive the project").press("Enter")
    expect(window.get_by_role("heading", name="This project is archived")).to_be_visible()
    expect(window.get_by_label("Guidelines")).to_be_disabled()
    window.get_by_role("link", name="Delete the project").press("Enter")
    window.get_by_label("The project's name").fill("Kitchen")
    window.keyboard.press("Enter")
    expect(window.get_by_text("Kitchen is being deleted.")).to_be_visible()
    project.refresh_from_db()
    assert project.deletion_asked_at is not None


def test_a_training_setting_is_stored_and_its_default_shown(
    transactional_db: None, visit: Visit, project: Project, owner: User
) -> None:
    window = visit(owner)
    window.goto(f"/projects/{project.slug}/settings/#policy")
    steps = window.get_by_label("Number of steps")
    assert steps.get_attribute("placeholder") == "32"
    steps.fill("48")
    steps.press("Enter")
    expect(window.get_by_text("The settings are stored.")).to_be_visible()
    expect(window.get_by_label("Number of steps")).to_have_value("48")
    project.refresh_from_db()
    assert project.policy_settings == {"steps": 48}
