"""A labeler at work in a real browser."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from annotation.models import Draft, Flag, Place, Project, Ranking, User
from tests.browser.conftest import Visit
from tests.people import PASSWORD, ready_group

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def work(transactional_db: None, project: Project) -> Project:
    ready_group(project, "How do I boil an egg?")
    ready_group(project, "Why is the sky blue?")
    return project


def desk(project: Project) -> str:
    return f"/projects/{project.slug}/rank/"


def chip(window: Page, letter: str) -> Locator:
    return window.locator(".chip", has=window.locator(f".letter:text-is('{letter}')"))


def press(window: Page, *keys: str) -> None:
    for key in keys:
        window.keyboard.press(key)


def drag(window: Page, source: Locator, to: Locator, share: float = 0.5) -> None:
    """With the mouse, to the share of the target's height."""
    source.scroll_into_view_if_needed()
    start, end = source.bounding_box(), to.bounding_box()
    assert start is not None
    assert end is not None
    window.mouse.move(start["x"] + 12, start["y"] + start["height"] / 2)
    window.mouse.down()
    window.mouse.move(end["x"] + 40, end["y"] + end["height"] * share, steps=6)
    window.mouse.up()


def board(window: Page) -> list[str]:
    """The places as the letters on them, best first, such as ["B", "AC"]."""
    rows = window.locator(".places .place").all()
    return ["".join(row.locator(".letter").all_text_contents()) for row in rows]


def by_order_shown(ranking: Ranking) -> list[int]:
    return [ranking.ranks[position] for position in ranking.shown_order]


def submitted(window: Page) -> None:
    expect(window.get_by_text("Your last ranking is stored.")).to_be_visible()


def test_a_labeler_ranks_by_dragging_and_gets_the_next(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.get_by_role("link", name="Start ranking").click()
    expect(window.get_by_text("How do I boil an egg?")).to_be_visible()
    status = window.locator("#status")
    expect(status).to_have_text("Still without a place: A, B, and C")
    drag(window, chip(window, "A"), window.locator(".places"))
    drag(window, chip(window, "B"), window.locator(".places .place").first, share=0.1)
    assert board(window) == ["B", "A"]
    expect(status).to_have_text("Still without a place: C")
    drag(window, chip(window, "C"), window.locator(".places .place").last)
    assert board(window) == ["B", "AC"]
    expect(window.locator(".place.is-shared")).to_have_count(1)
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 2]


def test_an_answer_is_dragged_back_out_of_the_order(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    drag(window, chip(window, "A"), window.locator(".places"))
    assert board(window) == ["A"]
    drag(window, chip(window, "A"), window.locator(".tray"))
    assert board(window) == []


def test_places_are_given_by_pressing_alone(visit: Visit, work: Project, labeler: User) -> None:
    """Whoever cannot drag chooses an answer and presses where it belongs (WCAG 2.5.7)."""
    window = visit(labeler)
    window.goto(desk(work))
    chip(window, "C").click()
    window.get_by_role("button", name="Put C last").click()
    chip(window, "A").click()
    window.get_by_role("button", name="Put A before place 1").click()
    chip(window, "B").click()
    window.get_by_role("button", name="Let B share place 2").click()
    assert board(window) == ["A", "BC"]


def test_a_labeler_works_by_keyboard_alone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit()
    window.goto("/login/")
    window.keyboard.type(labeler.username)
    window.keyboard.press("Tab")
    window.keyboard.type(PASSWORD)
    window.keyboard.press("Enter")
    window.wait_for_url("**/")
    start = window.get_by_role("link", name="Start ranking")
    for _step in range(12):
        window.keyboard.press("Tab")
        if start.evaluate("link => link === document.activeElement"):
            break
    window.keyboard.press("Enter")
    window.wait_for_url(f"**{desk(work)}")
    expect(window.locator("#status")).to_contain_text("A, B, and C")
    press(window, "3", "Space", "1", "Space", "b", "Space")
    assert board(window) == ["C", "A", "B"]
    press(window, "Shift+ArrowUp")
    assert board(window) == ["C", "B", "A"]
    press(window, "t")
    assert board(window) == ["BC", "A"]
    press(window, "u")
    assert board(window) == ["C", "B", "A"]
    press(window, "Enter")
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [3, 2, 1]


def test_arrows_choose_and_0_takes_a_place_away(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "ArrowDown", "Space", "ArrowDown", "Space")
    assert board(window) == ["A", "B"]
    press(window, "0")
    assert board(window) == ["A"]
    expect(chip(window, "B")).to_be_focused()


def test_a_question_mark_lists_the_keys(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "?")
    expect(window.get_by_role("dialog", name="Keys")).to_be_visible()
    press(window, "?")
    expect(window.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_every_step_is_announced_and_focus_stays(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    said = window.locator("#announce")
    press(window, "2", "Space")
    expect(said).to_have_text("B: place 1 of 1.")
    expect(chip(window, "B")).to_be_focused()
    press(window, "1", "t")
    expect(said).to_have_text("A: place 1 of 1, shared with B.")
    expect(chip(window, "A")).to_be_focused()
    expect(chip(window, "A")).to_have_attribute(
        "aria-label", "Answer A: Place 1 of 1, shared with B"
    )


def test_an_untouched_order_is_not_submitted(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "Control+Enter")
    expect(window.locator("#status")).to_have_text("Still without a place: A, B, and C")
    press(window, "1", "Space", "Enter")
    expect(window.locator("#status")).to_have_text("Still without a place: B and C")
    expect(chip(window, "B")).to_be_focused()
    assert not Ranking.objects.exists()


def test_keys_write_into_the_comment_not_onto_the_answers(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.locator("#comment").press_sequentially("1 and 2 are alike?")
    expect(window.locator("#comment")).to_have_value("1 and 2 are alike?")
    assert board(window) == []


def test_keys_can_be_switched_off_for_good(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "?")
    window.get_by_role("button", name="Keys are on").click()
    window.reload()
    press(window, "1", "Space", "?")
    expect(window.locator("#keys")).to_be_hidden()
    assert board(window) == []


def test_a_group_is_ranked_without_javascript(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, java_script_enabled=False)
    window.goto(desk(work))
    for index, rank in ((1, "1"), (2, "1"), (3, "3")):
        window.locator(f"#rank_{index}").select_option(rank)
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 1, 2]


def test_a_group_is_ranked_on_a_phone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, viewport=PHONE, has_touch=True, is_mobile=True)
    window.goto(desk(work))
    for letter in ("B", "A", "C"):
        chip(window, letter).tap()
        window.get_by_role("button", name=f"Put {letter} last").tap()
    sizes = window.locator(".chip, .target, main button:visible, summary").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert min(side for size in sizes for side in size) >= 24
    window.get_by_role("button", name="Submit").tap()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 3]


def test_answers_are_dragged_by_touch(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, viewport=PHONE, has_touch=True, is_mobile=True)
    window.goto(desk(work))
    start, end = chip(window, "C").bounding_box(), window.locator(".places").bounding_box()
    assert start is not None
    assert end is not None
    touch = window.context.new_cdp_session(window)
    path = [
        (start["x"] + 15 + (end["x"] - start["x"]) * step / 5, end["y"] + 20) for step in range(6)
    ]
    for kind, points in [("touchStart", path[:1]), *(("touchMove", [p]) for p in path[1:])]:
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert board(window) == ["C"]


def test_ranks_stay_when_appearance_or_language_change(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "3", "Space")
    window.get_by_role("button", name="Change the appearance").click()
    expect(window.locator("html")).to_have_attribute("data-theme", "dark")
    assert board(window) == ["C"]
    window.get_by_role("button", name="中文").click()
    expect(window.get_by_text("还没有位置：A和B")).to_be_visible()
    assert board(window) == ["C"]


def test_a_draft_survives_a_reload_and_another_browser(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "1", "t")
    window.locator("#comment").fill("Alike.")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.reload()
    assert board(window) == ["AB"]
    elsewhere = visit(labeler)
    elsewhere.goto(desk(work))
    assert board(elsewhere) == ["AB"]
    expect(elsewhere.locator("#comment")).to_have_value("Alike.")


def test_work_without_a_network_is_kept_and_sent_when_it_is_back(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="ERR_")
    window.goto(desk(work))
    window.route("**/draft/", lambda route: route.abort())
    window.context.set_offline(True)
    press(window, "2", "Space")
    expect(window.locator("#draft-state")).to_contain_text("kept in this browser")
    assert not Draft.objects.exists()
    window.unroute("**/draft/")
    window.context.set_offline(False)
    expect(window.get_by_text("Draft saved")).to_be_visible()
    assert Draft.objects.get().content["rank_2"] == "1"


def test_the_last_submit_is_undone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space", "1", "Space", "3", "Space", "Enter")
    submitted(window)
    window.get_by_role("button", name="Undo it").click()
    expect(window.get_by_text("How do I boil an egg?")).to_be_visible()
    assert board(window) == ["B", "A", "C"]


def test_a_group_is_skipped_with_a_reason(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "s")
    window.get_by_label("The question is unclear").check()
    window.get_by_role("button", name="Skip", exact=True).click()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()


def test_a_question_is_flagged_and_the_order_stays(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "2", "Space")
    window.get_by_text("Tell the admins about this question…").click()
    window.locator("#flag_text").fill("Whose egg?")
    window.get_by_role("button", name="Send to the admins").click()
    expect(window.get_by_text("The admins see it now.")).to_be_visible()
    assert board(window) == ["B"]
    assert Flag.objects.get().text == "Whose egg?"


def test_an_own_ranking_is_changed_later(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    submitted(window)
    window.get_by_role("link", name="My rankings").click()
    window.get_by_role("link", name="Change").click()
    expect(window.locator(".board")).to_be_visible()  # the page's script has started
    press(window, "3", "Shift+ArrowUp", "Shift+ArrowUp")
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    assert by_order_shown(Ranking.objects.get(is_current=True)) == [2, 3, 1]


def test_everything_that_a_project_asks_is_said_on_one_screen(
    visit: Visit, work: Project, labeler: User
) -> None:
    work.asks_quality = True
    work.answer_flags, work.prompt_marks = ["hallucination"], ["sensitive"]
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space", "Enter")
    expect(window.locator("#status")).to_have_text("Quality not rated yet: A, B, and C")
    for index in (1, 2, 3):
        window.locator(f"#answer-{index} .quality .pill").nth(6 - index).click()
    window.locator("#answer-2 .remarks summary").click()
    window.get_by_label("Makes things up").locator("visible=true").check()
    window.get_by_label("Sensitive topic").check()
    window.get_by_label("None of these answers is acceptable").check()
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    ranking = Ranking.objects.get()
    rated = {r.answer.position: r for r in ranking.ratings.select_related("answer")}
    assert [rated[position].quality for position in ranking.shown_order] == [6, 5, 4]
    assert rated[ranking.shown_order[1]].flags == ["hallucination"]
    assert ranking.none_acceptable


def test_good_or_bad_takes_one_key_an_answer(visit: Visit, work: Project, labeler: User) -> None:
    work.mode = Project.Mode.THUMBS
    work.save()
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "+", "-")
    expect(window.locator("#status")).to_have_text("Not judged yet: C")
    press(window, "+")
    expect(window.locator("#status")).to_contain_text("All answers are judged")
    press(window, "Control+Enter")
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 2, 1]


@pytest.mark.parametrize(
    ("key", "ranks", "is_none_acceptable"),
    [
        ("ArrowLeft", [1, 2], False),
        ("ArrowRight", [2, 1], False),
        ("ArrowUp", [1, 1], False),
        ("ArrowDown", [1, 1], True),
    ],
)
def test_two_answers_are_compared_with_one_key(
    visit: Visit,
    transactional_db: None,
    project: Project,
    labeler: User,
    key: str,
    ranks: list[int],
    is_none_acceptable: bool,
) -> None:
    project.answers_per_group = 2
    project.save()
    ready_group(project)
    window = visit(labeler)
    window.goto(desk(project))
    lefts = [window.locator(f"#answer-{n}").bounding_box() for n in (1, 2)]
    assert lefts[0] is not None
    assert lefts[1] is not None
    assert lefts[0]["y"] == lefts[1]["y"]
    press(window, key, "Enter")
    submitted(window)
    ranking = Ranking.objects.get()
    assert by_order_shown(ranking) == ranks
    assert ranking.none_acceptable is is_none_acceptable


def test_the_next_group_is_there_before_the_submit(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    with window.expect_response("**/ahead/") as ahead:
        window.goto(desk(work))
    assert ahead.value.status == 200
    press(window, "1", "Space", "2", "Space", "3", "Space")
    expect(window.get_by_text("Draft saved")).to_be_visible()
    loaded: list[str] = []
    window.on("request", lambda request: loaded.append(f"{request.method} {request.url}"))
    press(window, "Enter")
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    expect(window.locator("#question")).to_be_focused()
    asked = [line for line in loaded if "/draft/" not in line and "/ahead/" not in line]
    assert [line.split()[0] for line in asked] == ["POST"]


def test_a_waiting_page_brings_the_next_group_by_itself(
    visit: Visit, transactional_db: None, project: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.clock.install()
    window.goto(desk(project))
    expect(window.get_by_text("Nothing to rank at the moment")).to_be_visible()
    ready_group(project, "Has it come?")
    window.clock.fast_forward(11_000)
    expect(window.get_by_text("Has it come?")).to_be_visible()


def test_giving_a_group_back_frees_it(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.get_by_role("button", name="Give the group back and stop").click()
    expect(window.get_by_text("You gave the group back.")).to_be_visible()
    assert not Place.objects.filter(labeler=labeler).exists()


def test_a_shown_answer_is_mended_into_a_better_one(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_text("Write a better answer, or mend one").click()
    window.get_by_label("Start from").select_option(label="Answer B")
    better = window.get_by_label("Your answer")
    expect(better).to_have_value(re.compile(r"Answer \*\*\d\*\* in full\."))
    better.press("End")
    better.press_sequentially(" And salt.")
    window.get_by_label("It is better than all of these answers").check()
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    written = work.demonstrations.get()
    assert written.text.endswith("in full. And salt.")
    assert written.is_first
    assert written.source is not None


def test_an_answer_is_written_from_scratch(visit: Visit, work: Project, labeler: User) -> None:
    work.demonstrations_wanted = 1
    work.save()
    window = visit(labeler)
    window.get_by_role("link", name="Write answers").click()
    window.get_by_label("Your answer").fill("Eight minutes.")
    window.reload()
    expect(window.get_by_label("Your answer")).to_have_value("Eight minutes.")
    window.get_by_role("button", name="Store the answer").click()
    expect(window.get_by_text("Why is the sky blue?")).to_be_visible()
    assert work.demonstrations.get().text == "Eight minutes."


def test_a_passage_is_marked_and_the_mark_is_stored(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.locator("#answer-2 .text strong").dblclick()
    window.get_by_role("button", name="Unsupported").click()
    expect(window.locator("#answer-2 .highlights .unsupported")).to_be_visible()
    expect(window.get_by_text("Draft saved")).to_be_visible()
    window.reload()
    expect(window.locator("#answer-2 .highlights .unsupported")).to_be_visible()
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    ranking = Ranking.objects.get()
    [rating] = ranking.ratings.select_related("answer")
    assert rating.answer.position == ranking.shown_order[1]
    [mark] = rating.highlights
    assert (mark["start"], mark["end"], mark["label"]) == (7, 8, "unsupported")
    assert mark["quote"] == str(rating.answer.position)


def test_two_answers_are_compared_word_by_word(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    window.get_by_role("button", name="Compare two answers word by word").click()
    dialog = window.get_by_role("dialog", name="Word by word")
    numbers = [window.locator(f"#answer-{n} strong").text_content() for n in (1, 2)]
    expect(dialog.locator(".difference-text del")).to_have_text(numbers[0] or "")
    expect(dialog.locator(".difference-text ins")).to_have_text(numbers[1] or "")


def test_the_size_of_the_text_is_kept(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    size = "getComputedStyle(document.querySelector('.answer .prose')).fontSize"
    before = float(window.evaluate(size)[:-2])
    window.get_by_role("button", name="Larger text").click()
    window.reload()
    assert float(window.evaluate(size)[:-2]) > before


def test_text_that_runs_from_right_to_left_is_shown_so(
    visit: Visit, work: Project, labeler: User
) -> None:
    for group in work.groups.all():
        group.answers.update(text="اسلق البيضة ثماني دقائق.")
    window = visit(labeler)
    window.goto(desk(work))
    direction = "getComputedStyle(document.querySelector('.answer .text')).direction"
    assert window.evaluate(direction) == "rtl"
