"""My rankings: what a labeler sees of the work done, and changes."""

from pytest_django import DjangoAssertNumQueries

from annotation.models import Project, Ranking, User
from tests.pages.conftest import As
from tests.pages.desk import opened, path, submit
from tests.people import member, ready_group

MINE_QUERIES = 8


def test_own_rankings_are_listed_and_changed(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    submit(browser, project, labeler)
    ranking = Ranking.objects.get()
    listed = browser.get(path("mine", project)).content.decode()
    assert path("revise", project, ranking.pk) in listed
    page = browser.get(path("revise", project, ranking.pk)).content.decode()
    assert page.count(" selected") == 3
    key = "6b0f8f0e-58f4-4f8c-9f0a-3a2a0b6d6a11"
    data = {"token": key, "rank_1": 3, "rank_2": 2, "rank_3": 1, "comment": "Changed."}
    assert browser.post(path("revise", project, ranking.pk), data).status_code == 302
    newest = Ranking.objects.get(is_current=True)
    assert (newest.revision, newest.comment) == (2, "Changed.")
    assert [newest.ranks[position] for position in newest.shown_order] == [3, 2, 1]


def test_own_rankings_are_listed_with_what_was_decided(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)

    def judge(ranks: tuple[int, ...], **more: str) -> None:
        ready_group(project, f"{ranks} {project.mode}?")
        said = {f"rank_{index}": rank for index, rank in enumerate(ranks, start=1)}
        browser.post(path("rank", project), {**opened(browser, project, labeler), **said, **more})

    judge((2, 1, 2))
    judge((1, 1, 2), none_acceptable="on")
    judge((3, 1, 2))
    html = browser.get(path("mine", project)).content.decode()
    assert html.index("B &gt; C &gt; A") < html.index("A = B &gt; C") < html.index("B &gt; A = C")
    assert html.count("none is acceptable") == 1
    project.mode = Project.Mode.THUMBS
    project.save()
    judge((2, 1, 2))
    judge((2, 2, 2))
    html = browser.get(path("mine", project)).content.decode()
    assert "A bad, B good, C bad" in html
    assert "A bad, B bad, C bad" in html
    for order in ("B &gt; C &gt; A", "A = B &gt; C", "B &gt; A = C"):
        assert order in html  # rankings from before
    chinese = browser.get(path("mine", project), headers={"accept-language": "zh-CN"})
    assert "A 差，B 好，C 差" in chinese.content.decode()


def test_the_list_of_own_rankings_costs_the_same_however_long(
    as_: As, project: Project, labeler: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = as_(labeler)
    for count in range(3):
        ready_group(project, f"{count}?")
        submit(browser, project, labeler)
    with django_assert_num_queries(MINE_QUERIES):
        browser.get(path("mine", project))


def test_nobody_sees_the_rankings_of_others(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    submit(browser, project, labeler)
    other = as_(member(project, "second"))
    assert other.get(path("revise", project, Ranking.objects.get().pk)).status_code == 404
    assert "egg" not in other.get(path("mine", project)).content.decode()
