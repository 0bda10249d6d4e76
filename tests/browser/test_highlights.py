"""A passage that is marked in the browser is that passage of the stored answer."""

import pytest
from playwright.sync_api import Page, expect

from annotation.judgment.judgment import Highlight
from annotation.models import Project, Ranking, User
from tests.browser.conftest import Visit
from tests.browser.desk import desk, press, submitted

TEXT = """\
😀 The **sky** is `blue`, 因为**瑞利散射**。 Cafe\u0301 👩\u200d🚀!

- first of *all*
- then 5*6*7 & <b>

```python
x = "egg"  # 7
```

اسلق **البيضة** ثماني دقائق.
"""

# From the first of these words to the end of the last one, as somebody would drag.
PASSAGES = {
    "words around markup": ("The", "blue", "The **sky** is `blue", "The sky is blue"),
    "Chinese": ("瑞利", "散射", "瑞利散射", "瑞利散射"),
    "a combining character": ("Cafe", "\u0301", "Cafe\u0301", "Cafe\u0301"),
    "emoji": ("👩", "🚀", "👩\u200d🚀", "👩\u200d🚀"),
    "two items of a list": ("all", "then", "all*\n- then", "all\nthen"),
    "signs": ("5", "<b>", "5*6*7 & <b>", "5*6*7 & <b>"),
    "code": ("x", "7", 'x = "egg"  # 7', 'x = "egg"  # 7'),
    "right to left": ("اسلق", "البيضة", "اسلق **البيضة", "اسلق البيضة"),
    "all of it": ("😀", "دقائق.", TEXT.strip(), None),
}

SELECT = """(text, [first, last]) => {
    const nodes = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    const seen = [];
    for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
        if (node.parentElement.checkVisibility()) seen.push(node);
    }
    const from = seen.find(node => node.data.includes(first));
    const to = seen.slice(seen.indexOf(from)).find(node => node.data.includes(last));
    const start = from.data.indexOf(first);
    getSelection().setBaseAndExtent(
        from, start, to, to.data.indexOf(last, from === to ? start : 0) + last.length);
}"""
PAINTED = """label => [...(CSS.highlights.get(label) ?? [])].map(range => range.toString())"""


def answer_all(work: Project, text: str = TEXT) -> None:
    for group in work.groups.all():
        group.answers.update(text=text)


def select(window: Page, first: str, last: str, answer: int = 2) -> None:
    window.locator(f"#answer-{answer} .text").evaluate(SELECT, [first, last])


def stored(window: Page) -> Highlight:
    """Submits; what is stored then."""
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_role("button", name="Submit", exact=True).click()
    submitted(window)
    [rating] = Ranking.objects.get(is_current=True).ratings.all()
    [mark] = rating.highlights
    highlight: Highlight = mark
    return highlight


@pytest.mark.parametrize("name", PASSAGES)
def test_what_is_selected_is_that_passage_of_the_stored_answer(
    visit: Visit, work: Project, labeler: User, name: str
) -> None:
    answer_all(work)
    first, last, passage, quote = PASSAGES[name]
    window = visit(labeler)
    window.goto(desk(work))
    select(window, first, last)
    window.get_by_role("button", name="Error").click()
    assert window.evaluate(PAINTED, "error") == [passage]
    mark = stored(window)
    assert TEXT[mark["start"] : mark["end"]] == passage
    if quote is not None:
        assert mark["quote"] == quote


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_as_written_the_same_passage_is_marked_with_its_markup(
    visit: Visit, work: Project, labeler: User, scheme: str
) -> None:
    answer_all(work)
    window = visit(labeler, color_scheme=scheme)
    window.goto(desk(work))
    window.locator("#answer-2").get_by_role("button", name="As written").click()
    select(window, "The", "blue")
    window.get_by_role("button", name="Unsupported").click()
    expect(window.locator("#answer-2 .highlights span")).to_have_text("The **sky** is `blue")
    mark = stored(window)
    assert TEXT[mark["start"] : mark["end"]] == mark["quote"] == "The **sky** is `blue"


def test_a_stored_mark_is_painted_where_it_is_when_the_ranking_is_changed(
    visit: Visit, work: Project, labeler: User
) -> None:
    answer_all(work)
    window = visit(labeler)
    window.goto(desk(work))
    select(window, "瑞利", "Cafe")
    window.get_by_role("button", name="Well put").click()
    before = stored(window)
    ranking = Ranking.objects.get()
    window.goto(f"/projects/{work.slug}/mine/{ranking.pk}/")
    passage = TEXT[before["start"] : before["end"]]
    assert window.evaluate(PAINTED, "well-put") == [passage]
    window.get_by_role("button", name="Store the change").click()
    expect(window.get_by_text("Stored as a new revision")).to_be_visible()
    [rating] = Ranking.objects.get(is_current=True).ratings.all()
    assert rating.highlights == [before]


def test_a_mark_whose_place_is_lost_is_listed_and_can_be_removed(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler)
    window.goto(desk(work))
    select(window, "Answer", "Answer")
    window.get_by_role("button", name="Error").click()
    lost = {**stored(window), "start": 0, "end": 0, "unplaced": True}
    ranking = Ranking.objects.get()
    ranking.ratings.update(highlights=[lost])
    window.goto(f"/projects/{work.slug}/mine/{ranking.pk}/")
    expect(window.locator("#answer-2 .mark.error")).to_contain_text("place is not known")
    assert window.evaluate(PAINTED, "error") == []
    window.get_by_role("button", name="Remove the highlight").click()
    expect(window.locator("#answer-2 .mark")).to_have_count(0)


def test_a_mark_of_another_text_is_refused_in_words(
    visit: Visit, work: Project, labeler: User
) -> None:
    window = visit(labeler, expecting="409")
    window.goto(desk(work))
    select(window, "Answer", "Answer")
    window.get_by_role("button", name="Error").click()
    answer_all(work, "Something else.")
    press(window, "1", "Space", "2", "Space", "3", "Space")
    window.get_by_role("button", name="Submit", exact=True).click()
    expect(window.locator("#status")).to_contain_text("remove it and mark the passage again")
