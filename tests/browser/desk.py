"""What a labeler does at the desk in a browser, and what they see there."""

from playwright.sync_api import Locator, Page, expect

from annotation.models import Project, Ranking

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


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
