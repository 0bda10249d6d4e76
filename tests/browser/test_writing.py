"""Answers that people write."""

import re

from playwright.sync_api import expect

from annotation.models import Project, User
from annotation.services.demonstrations import write_demonstration
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE, desk, press, submitted


def test_a_shown_answer_is_mended_into_a_better_one(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="Replace what you wrote?")
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_text("Write a better answer, or mend one").click()
    source = window.get_by_label("Start from")
    source.select_option(label="Answer B")
    better = window.get_by_label("Your answer")
    expect(better).to_have_value(re.compile(r"Answer \*\*\d\*\* in full\."))
    better.press("End")
    better.press_sequentially(" And salt.")
    window.once("dialog", lambda dialog: dialog.dismiss())
    source.select_option(label="Answer A")
    expect(source).to_have_value("2")
    expect(better).to_have_value(re.compile(r"And salt\.$"))
    window.get_by_label("It is better than all of these answers").check()
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    written = work.demonstrations.get()
    assert written.text.endswith("in full. And salt.")
    assert written.is_first
    assert written.source is not None
    window.get_by_role("button", name="Undo the last ranking").click()
    expect(window.get_by_text("Your ranking is open again.")).to_be_visible()
    expect(source).to_have_value("2")
    window.once("dialog", lambda dialog: dialog.accept())
    source.select_option(label="Answer A")
    expect(better).not_to_have_value(re.compile("salt"))


def test_an_answer_is_written_from_scratch(visit: Visit, work: Project, labeler: User) -> None:
    work.demonstrations_wanted = 1
    work.save()
    window = visit(labeler)
    window.goto("/")
    window.get_by_role("link", name="Write answers").click()
    window.get_by_label("Your answer").fill("Eight minutes.")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.reload()
    expect(window.get_by_label("Your answer")).to_have_value("Eight minutes.")
    window.get_by_role("button", name="Store the answer").click()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert work.demonstrations.get().text == "Eight minutes."


def test_an_answer_under_way_is_there_in_another_browser(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.demonstrations_wanted = 1
    work.save()
    window = visit(labeler)
    window.goto(f"/projects/{work.slug}/write/")
    window.get_by_label("Your answer").press_sequentially("Eight min")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    elsewhere = visit(labeler)
    elsewhere.goto(f"/projects/{work.slug}/write/")
    expect(elsewhere.get_by_label("Your answer")).to_have_value("Eight min")


def test_an_answer_that_could_not_be_sent_is_kept_and_stored_when_the_network_is_back(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.demonstrations_wanted = 1
    work.save()
    window = visit(labeler, expecting="ERR_")
    window.goto(f"/projects/{work.slug}/write/")
    window.context.set_offline(True)
    answer = window.get_by_label("Your answer")
    answer.fill("Eight minutes.")
    window.get_by_role("button", name="Store the answer").click()
    expect(window.get_by_text("It could not be sent: no connection.")).to_be_visible()
    expect(answer).to_have_value("Eight minutes.")
    assert not work.demonstrations.exists()
    window.context.set_offline(False)
    window.get_by_role("button", name="Store the answer").click()
    expect(window.get_by_text("Stored, thank you.")).to_be_visible()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    expect(answer).to_have_value("")
    assert work.demonstrations.get().text == "Eight minutes."


def test_what_was_written_is_changed_and_kept_while_it_cannot_be_sent(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.demonstrations_wanted = 1
    work.save()
    write_demonstration(work.prompts.order_by("id")[0], labeler, "Eight minuets.")
    window = visit(labeler, expecting="ERR_")
    window.goto(f"/projects/{work.slug}/write/")
    window.get_by_role("link", name="Change").click()
    answer = window.get_by_label("Your answer")
    expect(answer).to_have_value("Eight minuets.")
    window.context.set_offline(True)
    answer.fill("Eight minutes.")
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("It could not be sent: no connection.")).to_be_visible()
    window.context.set_offline(False)
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    assert work.demonstrations.get(is_current=True).text == "Eight minutes."


def test_an_answer_is_written_on_a_phone(visit: Visit, work: Project, labeler: User) -> None:
    work.demonstrations_wanted, work.guidelines = 1, "Be kind."
    work.save()
    window = visit(labeler, **PHONE)
    window.goto(f"/projects/{work.slug}/write/")
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
    expect(window.get_by_text("Be kind.")).to_be_hidden()
    window.get_by_label("Your answer").fill("Eight minutes.")
    window.get_by_role("button", name="Store the answer").tap()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert work.demonstrations.get().text == "Eight minutes."
