"""What is half said is kept."""

from annotation.judgment.judgment import Judgment
from annotation.models import Draft, PromptGroup, User
from annotation.selectors.desks import kept_drafts
from annotation.services.assignments import give_back, skip_group
from annotation.services.drafts import draft_for, save_draft
from annotation.services.rankings import submit_ranking
from tests.annotation.desk import BEST_FIRST, expire, take
from tests.people import member


def test_a_draft_comes_back_with_its_group(group: PromptGroup, labeler: User) -> None:
    assignment, token = take(group.project, labeler)
    assert save_draft(labeler, token, {"rank_1": "2", "comment": "so far"})
    assert draft_for(assignment) == {"rank_1": "2", "comment": "so far"}


def test_a_late_draft_is_kept_and_follows_the_answers_into_another_order(
    group: PromptGroup, labeler: User
) -> None:
    assignment, token = take(group.project, labeler)
    expire(pk=assignment.pk)
    other = member(group.project, "other")
    take(group.project, other)
    assert save_draft(labeler, token, {"rank_1": "3", "comment": "late"})
    assert list(kept_drafts(group.project, labeler)) == [Draft.objects.get(labeler=labeler)]
    give_back(group.project, other)
    again, _token = take(group.project, labeler)
    number = again.shown_order.index(assignment.shown_order[0]) + 1
    assert draft_for(again) == {f"rank_{number}": "3", "comment": "late"}


def test_the_draft_of_a_skipped_group_is_not_said_to_come_back(
    group: PromptGroup, labeler: User
) -> None:
    _assignment, token = take(group.project, labeler)
    save_draft(labeler, token, {"comment": "so far"})
    give_back(group.project, labeler)
    assert kept_drafts(group.project, labeler).count() == 1
    _assignment, token = take(group.project, labeler)
    skip_group(labeler, token, "unsure")
    assert not kept_drafts(group.project, labeler).exists()


def test_a_draft_in_which_nothing_was_said_is_not_listed(group: PromptGroup, labeler: User) -> None:
    _assignment, token = take(group.project, labeler)
    save_draft(labeler, token, {})
    give_back(group.project, labeler)
    assert not kept_drafts(group.project, labeler).exists()


def test_nobody_writes_into_the_draft_of_another(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    _assignment, token = take(group.project, labeler)
    assert not save_draft(stranger, token, {"comment": "mine"})
    assert not Draft.objects.exists()


def test_a_submit_ends_the_draft(group: PromptGroup, labeler: User) -> None:
    _assignment, token = take(group.project, labeler)
    save_draft(labeler, token, {"comment": "so far"})
    submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    assert not Draft.objects.exists()
