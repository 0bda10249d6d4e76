"""Which of two answers is better."""

import pytest
from playwright.sync_api import expect

from annotation.models import Project, Ranking, User
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE, by_order_shown, desk, press, submitted
from tests.people import ready_group

PRESS_WHEN_THE_NEXT_COMES = """() => {
  const before = document.querySelector("#desk");
  new MutationObserver((_changes, watch) => {
    if (document.querySelector("#desk") === before) return;
    watch.disconnect();
    const key = new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true });
    document.body.dispatchEvent(key);
    document.documentElement.dataset.pressed = "1";
  }).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture
def pairs(transactional_db: None, project: Project) -> Project:
    """Two groups of two answers."""
    project.answers_per_group = 2
    project.save()
    ready_group(project, "How do I boil an egg?")
    ready_group(project, "Why is the sky blue?")
    return project


@pytest.mark.parametrize(
    ("key", "ranks", "is_none_acceptable"),
    [
        ("ArrowLeft", [1, 2], False),
        ("ArrowRight", [2, 1], False),
        ("=", [1, 1], False),
        ("-", [1, 1], True),
    ],
)
def test_one_key_says_which_of_two_is_better_and_brings_the_next(
    visit: Visit,
    pairs: Project,
    labeler: User,
    key: str,
    ranks: list[int],
    is_none_acceptable: bool,
) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    boxes = [window.locator(f"#answer-{n}").bounding_box() for n in (1, 2)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] == boxes[1]["y"]
    expect(window.locator("#status")).to_contain_text("One press judges and submits.")
    press(window, key)
    submitted(window)
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    ranking = Ranking.objects.get()
    assert by_order_shown(ranking) == ranks
    assert ranking.none_acceptable is is_none_acceptable


def test_a_key_held_or_pressed_twice_does_not_judge_the_next_pair_unread(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    window.evaluate(PRESS_WHEN_THE_NEXT_COMES)  # sooner than a person, or this test, could
    for _repeat in range(3):
        window.keyboard.down("ArrowLeft")
    window.keyboard.up("ArrowLeft")
    submitted(window)
    expect(window.locator("html")).to_have_attribute("data-pressed", "1")
    expect(window.locator("#status")).to_contain_text("Which is better?")
    assert Ranking.objects.count() == 1


def test_enter_held_down_judges_no_pair_unread(visit: Visit, pairs: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    for _repeat in range(4):
        window.keyboard.down("Enter")
    window.keyboard.up("Enter")
    expect(window.locator("#status")).to_contain_text("Which is better?")
    expect(window.locator("[data-pair=left]")).to_be_focused()
    assert not Ranking.objects.exists()


def test_a_passage_is_selected_with_shift_and_arrows_without_judging(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    window.locator("#answer-1 .text p").evaluate(
        "text => getSelection().setBaseAndExtent(text.firstChild, 0, text.firstChild, 3)"
    )
    press(window, "Shift+ArrowRight")
    assert window.evaluate("getSelection().toString()") == "Answ"
    expect(window.locator("[data-pair][aria-pressed=true]")).to_have_count(0)
    assert not Ranking.objects.exists()


def test_that_no_answer_is_acceptable_is_said_of_any_order_of_two(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    window.get_by_label("None of these answers is acceptable").check()
    window.get_by_role("button", name="A is better").click()
    submitted(window)
    ranking = Ranking.objects.get()
    assert by_order_shown(ranking) == [1, 2]
    assert ranking.none_acceptable


def test_both_bad_is_taken_back_by_another_choice(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    pairs.prompt_marks = ["sensitive"]
    pairs.save()
    window = visit(labeler)
    window.goto(desk(pairs))
    press(window, "-", "ArrowLeft")
    expect(window.get_by_label("None of these answers is acceptable")).not_to_be_checked()


def test_keys_that_scroll_a_text_judge_nothing(visit: Visit, pairs: Project, labeler: User) -> None:
    for group in pairs.groups.all():
        group.answers.update(text="```\n" + "wide " * 100 + "\n```")
    window = visit(labeler)
    window.goto(desk(pairs))
    for _step in range(20):
        press(window, "Tab")
        if window.evaluate("document.activeElement.closest('.prose') !== null"):
            break
    press(window, "ArrowRight")
    window.locator("#answer-1 pre").evaluate(
        "async pre => { while (!pre.scrollLeft) await new Promise(requestAnimationFrame); }"
    )
    window.get_by_role("button", name="Compare two answers word by word").click()
    window.locator(".difference-text").focus()
    press(window, "ArrowRight", "?")
    expect(window.locator("#keys")).to_be_hidden()
    expect(window.locator("[data-pair][aria-pressed=true]")).to_have_count(0)


def test_a_pair_whose_submit_failed_is_sent_by_pressing_again(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(pairs))
    window.context.set_offline(True)
    window.get_by_role("button", name="A is better").click()
    expect(window.locator("#status")).to_contain_text("It could not be sent")
    window.context.set_offline(False)
    window.get_by_role("button", name="A is better").click()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 2]


def test_a_judged_pair_is_undone_and_judged_anew(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(pairs))
    press(window, "ArrowLeft")
    submitted(window)
    with window.expect_navigation():
        press(window, "u")
    expect(window.locator("[data-pair=left]")).to_have_attribute("aria-pressed", "true")
    press(window, "ArrowRight")
    submitted(window)
    assert by_order_shown(Ranking.objects.get(is_current=True)) == [2, 1]


def test_a_judgment_after_undoing_is_said_and_undone_even_if_the_next_page_had_to_be_fetched(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(pairs))
    press(window, "ArrowLeft")
    submitted(window)
    window.route("**/ahead/", lambda route: route.abort())
    press(window, "u")
    expect(window.locator("[data-pair=left]")).to_have_attribute("aria-pressed", "true")
    with window.expect_navigation():
        press(window, "ArrowRight")
    submitted(window)
    press(window, "u")
    expect(window.locator("[data-pair=right]")).to_have_attribute("aria-pressed", "true")


def test_undo_held_down_takes_one_ranking_back(visit: Visit, pairs: Project, labeler: User) -> None:
    ready_group(pairs, "Why is the sea salt?")
    window = visit(labeler)
    window.goto(desk(pairs))
    press(window, "ArrowLeft")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    window.wait_for_timeout(500)  # until the next pair may be judged
    press(window, "ArrowLeft")
    expect(window.get_by_text("Why is the sea salt?")).to_be_visible()
    stored = Ranking.objects.order_by("id").last()
    assert stored is not None
    named = window.locator("#undo [name=ranking]")
    expect(named).to_have_value(str(stored.idempotency_key))
    with window.expect_navigation():
        for _repeat in range(3):
            window.keyboard.down("u")
    window.keyboard.up("u")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert Ranking.objects.filter(is_current=True).count() == 1


def test_a_key_only_chooses_where_more_is_asked(
    visit: Visit, pairs: Project, labeler: User
) -> None:
    pairs.prompt_marks = ["sensitive"]
    pairs.save()
    window = visit(labeler)
    window.goto(desk(pairs))
    press(window, "ArrowRight")
    expect(window.locator("#status")).to_have_text("Judged. Submit when you are sure.")
    window.get_by_label("Sensitive topic").check()
    press(window, "Control+Enter")
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [2, 1]


def test_two_answers_are_compared_by_touch(visit: Visit, pairs: Project, labeler: User) -> None:
    window = visit(labeler, **PHONE)
    window.goto(desk(pairs))
    assert window.evaluate("document.documentElement.scrollWidth") <= 390
    window.get_by_role("button", name="B is better").tap()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [2, 1]
