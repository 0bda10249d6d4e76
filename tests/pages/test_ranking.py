"""The desk: what a labeler sees, and what becomes of what they send."""

from datetime import timedelta
from html.parser import HTMLParser

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.models import Assignment, Project, PromptGroup, Ranking, User
from annotation.services.assignments import fit_assignments, take_assignment
from tests.pages.conftest import As
from tests.pages.desk import opened, path, seen, submit
from tests.people import ask, member, ready_group

RANK_PAGE_QUERIES = 12


class Checked(HTMLParser):
    """The options that are chosen in a page's selects."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.chosen: dict[str, str] = {}
        self.select, self.is_selected = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "select":
            self.select = given.get("name") or ""
        self.is_selected = tag == "option" and "selected" in given

    def handle_data(self, data: str) -> None:
        if self.is_selected:
            self.chosen[self.select] = data
            self.is_selected = False


def test_ranks_are_stored_by_position_not_by_the_order_shown(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    Assignment.objects.filter(pk=assignment.pk).update(shown_order=[2, 0, 1])
    response = submit(as_(labeler), project, labeler, comment="Clear.")
    assert response.headers["Location"] == path("rank", project)
    ranking = group.rankings.get()
    assert ranking.ranks == [2, 3, 1]
    assert ranking.comment == "Clear."


def test_ties_are_allowed(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    submit(as_(labeler), project, labeler, rank_1=1, rank_2=1, rank_3=1)
    assert Ranking.objects.get().ranks == [1, 1, 1]


def test_a_submit_with_an_answer_unranked_stores_nothing_and_keeps_the_rest(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    response = submit(as_(labeler), project, labeler, rank_2=None, comment="So far so good")
    html = response.content.decode()
    assert "Give every answer a place, then submit." in html
    assert Checked(html).chosen == {"rank_1": "1", "rank_3": "3"}
    assert "So far so good" in html
    assert not Ranking.objects.exists()


def test_a_rank_beyond_the_answers_is_refused(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    assert submit(as_(labeler), project, labeler, rank_1=4).status_code == 409
    assert not Ranking.objects.exists()


def test_nothing_is_chosen_beforehand(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    assert Checked(as_(labeler).get(path("rank", project)).content.decode()).chosen == {}


def test_sent_twice_is_stored_once_and_answered_the_same(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    submit(browser, project, labeler)
    token = Assignment.objects.get(labeler=labeler).token
    again = {"token": token, "rank_1": 1, "rank_2": 2, "rank_3": 3}
    assert browser.post(path("rank", project), again).headers["Location"] == path("rank", project)
    assert Ranking.objects.count() == 1


def test_what_is_sent_after_the_lease_is_stored_as_long_as_nobody_took_the_group(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    form = opened(browser, project, labeler)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert browser.post(path("rank", project), form).status_code == 302
    assert Ranking.objects.count() == 1


def test_where_the_overlap_was_lowered_the_same_group_comes_back_with_its_ranks(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    project.overlap = 2
    project.save()
    fit_assignments(project)
    take_assignment(project, member(project, "second"))
    browser = as_(labeler)
    form = opened(browser, project, labeler) | {"rank_1": 3, "rank_3": 1}
    before = Assignment.objects.get(labeler=labeler).shown_order
    project.overlap = 1
    project.save()
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    html = browser.post(path("rank", project), form, follow=True).content.decode()
    assert "Your time for this group ran out" in html
    now = Assignment.objects.get(labeler=labeler).shown_order
    chosen = Checked(html).chosen
    assert [chosen[f"rank_{now.index(position) + 1}"] for position in before] == ["3", "2", "1"]
    assert not Ranking.objects.exists()
    assert submit(browser, project, labeler).status_code == 302
    assert Ranking.objects.count() == 1


def test_when_the_group_went_to_somebody_else_the_labeler_is_told_kindly(
    as_: As, project: Project, labeler: User
) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.get(path("rank", project))
    token = Assignment.objects.get(labeler=labeler).token
    Assignment.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    take_assignment(project, member(project, "second"))
    data = {"token": token, "rank_1": 1, "rank_2": 2, "rank_3": 3}
    html = browser.post(path("rank", project), data, follow=True).content.decode()
    assert "This group is no longer yours: its time ran out" in html
    assert "Nothing to rank at the moment" in html
    assert not Ranking.objects.exists()


def test_a_token_that_is_no_token_is_refused(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    assert submit(as_(labeler), project, labeler, token="'--").status_code == 302
    assert not Ranking.objects.exists()


def test_nobody_submits_on_the_lease_of_another(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    assignment = take_assignment(project, member(project, "second"))
    assert assignment is not None
    data = {"token": assignment.token, "rank_1": 1, "rank_2": 2, "rank_3": 3}
    as_(labeler).post(path("rank", project), data)
    assert not Ranking.objects.exists()


def test_giving_back_frees_the_group(as_: As, project: Project, labeler: User) -> None:
    ready_group(project)
    browser = as_(labeler)
    browser.get(path("rank", project))
    assert browser.post(reverse("give_back", args=[project.slug])).headers["Location"] == "/"
    assert Assignment.objects.get().labeler is None


def test_labelers_are_blind(as_: As, project: Project, labeler: User) -> None:
    """Neither the model nor the original order is anywhere in what the browser gets."""
    project.policyversions.update(base_model="secret-model-7b")
    group = ready_group(project)
    answers = group.answers.all()
    for answer in answers:
        answer.seed = 987_654_321_000 + answer.position
        answer.save()
    response = as_(labeler).get(path("rank", project))
    received = f"{response.headers}{response.content.decode()}"
    assert "secret-model-7b" not in received
    assert settings.POLICY_MODEL not in received
    assert "987654321" not in received
    shown = Assignment.objects.get(labeler=labeler).shown_order
    texts = [f"Answer <strong>{position}</strong>" for position in shown]
    places = [seen(received).index(text) for text in texts]
    assert places == sorted(places)


def test_hostile_answers_are_shown_as_harmless_text(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    group.answers.update(
        text="<script>alert(1)</script> ![x](https://evil.example/x.png) "
        "[click](javascript:alert(1)) [out](https://example.org) <b onclick=alert(1)>b</b>"
    )
    html = as_(labeler).get(path("rank", project)).content.decode()
    answers = html[html.index('class="answers"') : html.index('class="judge"')]
    assert "<script" not in answers
    assert "<img" not in answers
    assert 'href="javascript' not in answers
    assert "<b " not in answers
    assert (
        'href="https://example.org" target="_blank" rel="noopener nofollow noreferrer"' in answers
    )


def test_a_conversation_is_shown_with_its_turns(as_: As, project: Project, labeler: User) -> None:
    group = ready_group(project)
    group.prompt.messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good morning"},
        {"role": "user", "content": "And now?"},
    ]
    group.prompt.save()
    html = as_(labeler).get(path("rank", project)).content.decode()
    assert html.index("Hello") < html.index("Good morning") < html.index("And now?")


def test_without_work_the_page_says_that_answers_are_coming(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    PromptGroup.objects.filter(pk=group.pk).update(status=PromptGroup.Status.GENERATING)
    group.assignments.all().delete()
    html = as_(labeler).get(path("rank", project)).content.decode()
    assert "The model is writing answers for 1 question." in html


def test_without_work_the_page_does_not_say_that_the_model_writes_while_it_learns(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    PromptGroup.objects.filter(pk=group.pk).update(status=PromptGroup.Status.PENDING)
    group.assignments.all().delete()
    browser, page = as_(labeler), path("rank", project)
    html = browser.get(page).content.decode()
    assert "1 question waits for the model to write answers. It is not writing just now" in html
    assert "The model is writing" not in html
    chinese = browser.get(page, headers={"accept-language": "zh-CN"}).content.decode()
    assert "有 1 个问题在等模型写回答。模型现在没有在写" in chinese


def test_without_work_answers_can_be_written_where_some_are_wanted(
    as_: As, project: Project, labeler: User
) -> None:
    browser, write = as_(labeler), f'class="button primary" href="{path("write", project)}"'
    ask(project, "How do I boil an egg?")
    assert write not in browser.get(path("rank", project)).content.decode()
    project.demonstrations_wanted = 1
    project.save()
    for headers in ({}, {"HX-Request": "true"}):
        html = browser.get(path("rank", project), headers=headers).content.decode()
        assert write in html
        assert "There are questions for which you can write an answer." in html


def test_without_work_or_answers_on_the_way_the_page_says_so(
    as_: As, project: Project, labeler: User
) -> None:
    assert "You have ranked everything" in as_(labeler).get(path("rank", project)).content.decode()


def test_the_waiting_page_reloads_when_work_has_come(
    as_: As, project: Project, labeler: User
) -> None:
    browser = as_(labeler)
    poll = {"HX-Request": "true"}
    assert "no-work" in browser.get(path("rank", project), headers=poll).content.decode()
    ready_group(project)
    assert browser.get(path("rank", project), headers=poll).headers["HX-Refresh"] == "true"


def test_failed_groups_are_never_shown(as_: As, project: Project, labeler: User) -> None:
    ask(project, "Why?")
    project.groups.update(status=PromptGroup.Status.FAILED)
    assert "Nothing to rank" in as_(labeler).get(path("rank", project)).content.decode()


def test_the_rank_page_costs_the_same_whatever_waits(
    as_: As, project: Project, labeler: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for question in ("One?", "Two?", "Three?"):
        ready_group(project, question)
    browser = as_(labeler)
    browser.get(path("rank", project))
    with django_assert_num_queries(RANK_PAGE_QUERIES):
        browser.get(path("rank", project))


def test_code_is_coloured_by_classes_and_tables_and_maths_are_kept(
    as_: As, project: Project, labeler: User
) -> None:
    group = ready_group(project)
    group.answers.update(
        text="```python\ndef egg(): return 'soft'\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$x^2$"
    )
    html = as_(labeler).get(path("rank", project)).content.decode()
    assert '<span class="k">def</span>' in html
    assert "<td>1</td>" in seen(html)
    assert "$x^2$" in html
    assert "style=" not in html
