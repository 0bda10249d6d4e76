"""A labeler puts answers in order: by mouse, by touch, by keyboard, without scripts."""

from playwright.sync_api import expect

from annotation.models import Project, Ranking, User
from tests.browser.conftest import Visit
from tests.browser.desk import PHONE, board, by_order_shown, chip, desk, drag, press, submitted
from tests.people import PASSWORD


def test_a_labeler_ranks_by_dragging_and_gets_the_next(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto("/")
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
    chip(window, "A").hover()
    window.mouse.down()
    window.mouse.move(1270, 300, steps=3)
    ghost = window.locator(".ghost").bounding_box()
    assert ghost is not None
    assert ghost["x"] + ghost["width"] <= 1280
    window.mouse.up()


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


def test_a_placed_answer_is_moved_down_by_dragging(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space")
    drag(window, chip(window, "A"), window.locator(".places .place").last, share=0.1)
    assert board(window) == ["B", "A", "C"]
    drag(window, chip(window, "B"), window.locator(".places .place").last, share=0.9)
    assert board(window) == ["A", "C", "B"]


def test_a_placed_answer_is_moved_down_by_pressing(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "3", "Space")
    chip(window, "A").click()
    window.get_by_role("button", name="Put A before place 3").click()
    assert board(window) == ["B", "A", "C"]
    window.get_by_role("button", name="Put A last").click()
    assert board(window) == ["B", "C", "A"]


def test_undo_from_a_target_leaves_the_focus_on_the_answer(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space")
    window.get_by_role("button", name="Put B before place 1").focus()
    press(window, "u")
    assert board(window) == ["A"]
    expect(chip(window, "B")).to_be_focused()


def test_keys_with_shift_that_select_or_scroll_move_no_answer(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Shift+Space", "Shift+ArrowLeft", "Shift+ArrowRight")
    assert board(window) == ["A"]
    expect(chip(window, "B")).to_have_attribute("aria-pressed", "true")


def test_space_gives_a_place_and_takes_none_away(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "1", "Space", "2", "Space", "1", "Space")
    assert board(window) == ["A", "B"]
    expect(chip(window, "A")).to_be_focused()


def test_a_labeler_works_by_keyboard_alone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit()
    window.goto("/login/")
    expect(window.get_by_label("Name")).to_be_focused()
    window.keyboard.type(labeler.username)
    window.keyboard.press("Tab")
    window.keyboard.type(PASSWORD)
    window.keyboard.press("Enter")
    start = window.get_by_role("link", name="Start ranking")
    expect(start).to_be_visible()
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


def test_a_question_mark_lists_the_keys(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "?")
    expect(window.get_by_role("dialog", name="Keys")).to_be_visible()
    expect(window.get_by_role("button", name="Close")).to_be_focused()
    press(window, "?")
    expect(window.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_keys_can_be_switched_off_for_good_and_on_again(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    press(window, "?")
    window.get_by_role("button", name="Turn keys off").click()
    window.reload()
    press(window, "1", "Space", "?")
    assert board(window) == []
    expect(window.get_by_role("dialog", name="Keys")).to_be_hidden()
    window.locator("#help-button").click()
    window.get_by_role("button", name="Turn keys on").click()
    press(window, "?", "1", "Space")
    assert board(window) == ["A"]


def test_a_group_is_ranked_without_javascript(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, java_script_enabled=False)
    window.goto(desk(work))
    for index, rank in ((1, "1"), (2, "1"), (3, "3")):
        window.locator(f"#rank_{index}").select_option(rank)
    window.get_by_role("button", name="Submit").click()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [1, 1, 2]


def test_a_group_is_ranked_on_a_phone(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, **PHONE)
    window.goto(desk(work))
    expect(window.get_by_text("Tap an answer, then its place.")).to_be_visible()
    for letter in ("B", "A", "C"):
        chip(window, letter).tap()
        for target in window.locator(".target").all():
            box = target.bounding_box()
            assert box is not None
            assert box["x"] + box["width"] <= 390
            assert min(box["width"], box["height"]) >= 40
        window.get_by_role("button", name=f"Put {letter} last").tap()
    sizes = window.locator(
        ".chip, .target, main button:visible:not([aria-hidden]), summary"
    ).evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    assert min(side for size in sizes for side in size) >= 40
    window.get_by_role("button", name="Submit").tap()
    submitted(window)
    assert by_order_shown(Ranking.objects.get()) == [2, 1, 3]


def test_answers_are_dragged_by_touch(visit: Visit, work: Project, labeler: User) -> None:
    window = visit(labeler, **PHONE)
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
