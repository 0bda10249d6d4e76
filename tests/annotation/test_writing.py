"""The demonstration queue: who writes an answer to which prompt."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from annotation.judgment.judgment import BetterAnswer
from annotation.models import Demonstration, Project, Prompt, User, Writing
from annotation.selectors.demonstrations import kept_writings, prompts_to_answer
from annotation.services.demonstrations import write_demonstration
from annotation.services.writing import (
    WritingRefused,
    change_answer,
    keep_writing,
    submit_writing,
    take_prompt,
)
from tests.annotation.desk import rank
from tests.people import ask, member, ready_group

PEOPLE, PROMPTS, WANTED = 8, 20, 2


@pytest.fixture
def prompt(project: Project) -> Prompt:
    """One question that wants one written answer."""
    project.demonstrations_wanted = 1
    project.save()
    ask(project, "How do I boil an egg?")
    return project.prompts.get()


def take(project: Project, author: User) -> Writing:
    writing = take_prompt(project, author)
    assert writing is not None
    return writing


def expire() -> None:
    Writing.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_web_server_whose_clock_is_behind_gives_no_prompt_in_work_to_another(
    prompt: Prompt, labeler: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = timezone.now() - timedelta(hours=2)
    monkeypatch.setattr(timezone, "now", lambda: behind)
    writing = take(prompt.project, labeler)
    assert not prompts_to_answer(prompt.project, stranger).exists()
    assert keep_writing(writing, "Eight") == behind + timedelta(minutes=30)
    assert not prompts_to_answer(prompt.project, stranger).exists()


def test_prompts_are_offered_until_enough_people_wrote_an_answer(
    prompt: Prompt, labeler: User, stranger: User
) -> None:
    project = prompt.project
    project.demonstrations_wanted = 0
    assert not prompts_to_answer(project, labeler).exists()
    project.demonstrations_wanted = 2
    assert prompts_to_answer(project, labeler).get() == prompt
    write_demonstration(prompt, labeler, "Eight minutes.")
    assert not prompts_to_answer(project, labeler).exists()
    assert prompts_to_answer(project, stranger).exists()
    project.demonstrations_wanted = 1
    assert not prompts_to_answer(project, stranger).exists()


def test_a_prompt_that_somebody_answers_is_offered_to_nobody_else(
    prompt: Prompt, labeler: User
) -> None:
    other = member(prompt.project, "other")
    writing = take(prompt.project, labeler)
    assert take(prompt.project, labeler) == writing
    assert take_prompt(prompt.project, other) is None
    expire()
    assert take(prompt.project, other).prompt == prompt


def test_the_draft_outlives_the_lease_and_comes_back_with_the_prompt(
    prompt: Prompt, labeler: User
) -> None:
    other = member(prompt.project, "other")
    mine = take(prompt.project, labeler)
    assert keep_writing(mine, "Eight min") is not None
    expire()
    theirs = take(prompt.project, other)
    assert keep_writing(mine, "Eight minutes") is None
    assert take_prompt(prompt.project, labeler) is None
    assert take_prompt(prompt.project, other, after=prompt.pk) == theirs
    Writing.objects.filter(pk=theirs.pk).update(expires_at=None)
    assert take(prompt.project, labeler).text == "Eight minutes"


def test_a_late_answer_is_stored_as_long_as_nobody_else_took_the_prompt(
    prompt: Prompt, labeler: User
) -> None:
    writing = take(prompt.project, labeler)
    expire()
    assert submit_writing(writing, "Eight minutes.").prompt == prompt


def test_a_late_answer_is_refused_and_kept_when_somebody_else_took_the_prompt(
    prompt: Prompt, labeler: User
) -> None:
    mine = take(prompt.project, labeler)
    expire()
    take(prompt.project, member(prompt.project, "other"))
    with pytest.raises(WritingRefused, match="kept"):
        submit_writing(mine, "Eight minutes.")
    mine.refresh_from_db()
    assert mine.text == "Eight minutes."
    assert not Demonstration.objects.exists()


def test_an_answer_sent_twice_is_stored_once(prompt: Prompt, labeler: User) -> None:
    writing = take(prompt.project, labeler)
    first = submit_writing(writing, "Eight minutes.")
    assert submit_writing(writing, "Eight minutes.") == first
    keep_writing(writing, "a draft that comes late")
    writing.refresh_from_db()
    assert writing.text == ""


def test_another_question_gives_the_present_one_back_with_its_draft(
    prompt: Prompt, labeler: User
) -> None:
    project, other = prompt.project, member(prompt.project, "other")
    ask(project, "Why is the sky blue?")
    first = take(project, labeler)
    keep_writing(first, "Eight min")
    second = take_prompt(project, labeler, after=prompt.pk)
    assert second is not None
    assert second.prompt != prompt
    assert take(project, other).prompt == prompt
    first.refresh_from_db()
    assert first.text == "Eight min"


def test_a_kept_draft_is_gone_on_with_at_once(prompt: Prompt, labeler: User) -> None:
    project, other = prompt.project, member(prompt.project, "other")
    ask(project, "Why is the sky blue?")
    first = take(project, labeler)
    keep_writing(first, "Eight min")
    second = take_prompt(project, labeler, after=prompt.pk)
    assert second is not None
    keep_writing(second, "Because")
    assert kept_by(labeler, project) == {"Eight min": True, "Because": True}
    assert take_prompt(project, labeler, wanted=prompt.pk) == first
    assert take(project, labeler) == first
    assert take(project, other).prompt == second.prompt
    assert take_prompt(project, labeler, wanted=second.prompt_id) == first
    assert kept_by(labeler, project) == {"Eight min": True, "Because": False}


def kept_by(author: User, project: Project) -> dict[str, bool]:
    """The drafts, and whether their questions still want an answer."""
    drafts = kept_writings(project, author)
    return {draft.text: getattr(draft, "is_open") for draft in drafts}  # noqa: B009 (annotated)


def test_a_changed_answer_is_a_new_revision_and_the_old_one_is_kept(
    prompt: Prompt, labeler: User
) -> None:
    old = submit_writing(take(prompt.project, labeler), "Eight minuets.")
    new = change_answer(old, "Eight minutes.")
    assert change_answer(old, "Eight minutes.") == new
    assert change_answer(new, "Eight minutes.") == new
    old.refresh_from_db()
    assert (old.text, old.is_current, old.revision) == ("Eight minuets.", False, 1)
    assert (new.text, new.is_current, new.revision) == ("Eight minutes.", True, 2)
    assert Demonstration.objects.count() == 2
    with pytest.raises(WritingRefused, match="changed meanwhile"):
        change_answer(old, "Nine minutes.")


def test_an_answer_beside_a_ranking_is_changed_with_the_ranking_only(
    project: Project, labeler: User
) -> None:
    ready_group(project)
    rank(project, labeler, better=BetterAnswer("Eight minutes.", is_first=True))
    with pytest.raises(WritingRefused):
        change_answer(Demonstration.objects.get(), "Nine minutes.")


@pytest.mark.django_db(transaction=True)
def test_many_people_at_once_write_exactly_the_answers_wanted(project: Project) -> None:
    project.demonstrations_wanted = WANTED
    project.save()
    ask(project, *(f"Question {number}?" for number in range(PROMPTS)))
    people = [member(project, f"author-{number}") for number in range(PEOPLE)]

    def write_all(author: User) -> int:
        count = 0
        try:
            while (writing := take_prompt(project, author)) is not None:
                submit_writing(writing, f"By {author}.")  # refused, were it leased too often
                count += 1
        finally:
            connection.close()
        return count

    with ThreadPoolExecutor(PEOPLE) as pool:
        counts = list(pool.map(write_all, people))
    assert sum(counts) == Demonstration.objects.count() == PROMPTS * WANTED
    for prompt in project.prompts.all():
        authors = prompt.demonstrations.values_list("author", flat=True)
        assert len(set(authors)) == len(authors) == WANTED
