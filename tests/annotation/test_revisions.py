"""Taking a submit back, and changing one's mind later."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.judgment.judgment import AnswerRating, Judgment
from annotation.models import Assignment, Project, PromptGroup, Ranking, Triple, User
from annotation.selectors.assignments import held_assignments, held_by
from annotation.selectors.rankings import group_rows
from annotation.selectors.triples import triple_rows, triples
from annotation.services.assignments import take_ahead
from annotation.services.drafts import draft_for
from annotation.services.groups import withdraw_group
from annotation.services.rankings import RankingRefused, submit_and_go_on, submit_ranking
from annotation.services.revisions import revise_ranking, undo_last
from tests.annotation.desk import BEST_FIRST, rank, take
from tests.people import ready_group


def test_an_undone_submit_is_open_again_with_all_that_was_said(
    group: PromptGroup, labeler: User
) -> None:
    ratings = {2: AnswerRating(quality=6, flags=("opinion",))}
    ranking = rank(group.project, labeler, {0: 1, 1: 2, 2: 2}, ratings=ratings)
    undo_last(group.project, labeler)
    assignment, token = take(group.project, labeler)
    number = assignment.shown_order.index(2) + 1
    content = draft_for(assignment)
    assert content is not None
    assert content[f"rank_{number}"] == "2"
    assert content[f"quality_{number}"] == "6"
    assert content[f"flags_{number}"] == ["opinion"]
    again = submit_ranking(labeler, Judgment(BEST_FIRST), token=token)
    ranking.refresh_from_db()
    assert (ranking.is_current, again.is_current, again.revision) == (False, True, 2)
    assert ranking.undone_at is not None


def test_an_undone_submit_counts_nowhere(group: PromptGroup, labeler: User) -> None:
    last = rank(group.project, labeler).pk
    undo_last(group.project, labeler)
    assert list(group_rows(group.project, last)) == []
    assert not triples(group.project).exists()


def test_a_submit_can_be_undone_for_ten_minutes_only(group: PromptGroup, labeler: User) -> None:
    ranking = rank(group.project, labeler)
    old = timezone.now() - timedelta(minutes=10, seconds=1)
    Ranking.objects.filter(pk=ranking.pk).update(created_at=old)
    with pytest.raises(RankingRefused, match="ten minutes"):
        undo_last(group.project, labeler)


def test_nobody_undoes_the_ranking_of_another(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    rank(group.project, labeler)
    with pytest.raises(RankingRefused):
        undo_last(group.project, stranger)


def test_a_revision_replaces_the_ranking_and_keeps_the_old_one(
    group: PromptGroup, labeler: User
) -> None:
    old = rank(group.project, labeler)
    new = revise_ranking(
        labeler, old.pk, Judgment({0: 3, 1: 2, 2: 1}, "On reflection."), key=uuid.uuid4()
    )
    old.refresh_from_db()
    assert (old.is_current, old.ranks) == (False, [1, 2, 3])
    assert (new.is_current, new.ranks, new.revision) == (True, [3, 2, 1], 2)
    scores = {row["answer"]: row["score"] for row in triple_rows(triples(group.project))}
    assert scores == {
        "Answer **0** in full.": -1,
        "Answer **1** in full.": 0,
        "Answer **2** in full.": 1,
    }
    assert Triple.objects.count() == 6


def test_an_undone_revision_gives_the_one_before_it_back(group: PromptGroup, labeler: User) -> None:
    old = rank(group.project, labeler)
    revise_ranking(labeler, old.pk, Judgment({0: 3, 1: 2, 2: 1}), key=uuid.uuid4())
    assert undo_last(group.project, labeler) == old
    assert Ranking.objects.get(is_current=True) == old
    assert Assignment.objects.get().is_done


OTHERWISE = {0: 2, 1: 1, 2: 3}


@pytest.fixture
def expected(group: PromptGroup) -> PromptGroup:
    """A group of which labelers read, after a submit, what the teacher model expected."""
    group.expected = [0.1, 0.5, -0.5]
    group.save()
    Project.objects.update(shows_expectation=True)
    return group


def undone_and_said_anew(project: Project, labeler: User, *said: dict[int, int]) -> Ranking:
    for ranks in said[:-1]:
        rank(project, labeler, ranks)
        undo_last(project, labeler)
    return rank(project, labeler, said[-1])


def test_who_read_what_was_expected_and_then_says_otherwise_is_informed(
    expected: PromptGroup, labeler: User
) -> None:
    first = rank(expected.project, labeler)
    assert not first.is_informed
    undo_last(expected.project, labeler)
    assert rank(expected.project, labeler, OTHERWISE).is_informed
    [row] = group_rows(expected.project, Ranking.objects.latest("id").pk)
    assert [said["informed"] for said in row["rankings"]] == [True]


def test_who_changes_a_ranking_after_reading_is_informed_and_stays_so(
    expected: PromptGroup, labeler: User
) -> None:
    old = rank(expected.project, labeler)
    new = revise_ranking(labeler, old.pk, Judgment(OTHERWISE), key=uuid.uuid4())
    back = revise_ranking(labeler, new.pk, Judgment(BEST_FIRST), key=uuid.uuid4())
    assert (new.is_informed, back.is_informed) == (True, True)


def test_the_order_of_before_with_another_comment_was_said_uninformed(
    expected: PromptGroup, labeler: User
) -> None:
    old = rank(expected.project, labeler)
    new = revise_ranking(labeler, old.pk, Judgment(BEST_FIRST, "Clear."), key=uuid.uuid4())
    assert not new.is_informed


def test_a_tie_of_all_told_its_labeler_nothing(expected: PromptGroup, labeler: User) -> None:
    all_alike = {0: 1, 1: 1, 2: 1}
    assert not undone_and_said_anew(expected.project, labeler, all_alike, BEST_FIRST).is_informed


def test_where_a_project_shows_nothing_nobody_is_informed(
    expected: PromptGroup, labeler: User
) -> None:
    Project.objects.update(shows_expectation=False)
    assert not undone_and_said_anew(expected.project, labeler, BEST_FIRST, OTHERWISE).is_informed


def test_a_revision_sent_twice_is_stored_once(group: PromptGroup, labeler: User) -> None:
    old, key = rank(group.project, labeler), uuid.uuid4()
    first = revise_ranking(labeler, old.pk, Judgment(BEST_FIRST), key=key)
    assert revise_ranking(labeler, old.pk, Judgment(BEST_FIRST), key=key) == first
    with pytest.raises(RankingRefused, match="changed meanwhile"):
        revise_ranking(labeler, old.pk, Judgment({0: 3, 1: 2, 2: 1}), key=key)
    assert Ranking.objects.count() == 2


def test_nobody_revises_the_ranking_of_another(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    ranking = rank(group.project, labeler)
    with pytest.raises(RankingRefused):
        revise_ranking(stranger, ranking.pk, Judgment(BEST_FIRST), key=uuid.uuid4())


def test_a_ranking_of_a_withdrawn_group_is_not_undone(group: PromptGroup, labeler: User) -> None:
    ranking = rank(group.project, labeler)
    withdraw_group(group)
    with pytest.raises(RankingRefused, match="withdrawn"):
        undo_last(group.project, labeler)
    ranking.refresh_from_db()
    assert ranking.is_current


def test_after_an_undo_the_labeler_goes_on_with_what_was_leased_before(
    project: Project, labeler: User
) -> None:
    for question in ("One?", "Two?", "Three?", "Four?"):
        ready_group(project, question)
    rank(project, labeler)
    take(project, labeler)
    take_ahead(project, labeler)
    undo_last(project, labeler)
    held = list(held_by(labeler))
    for assignment in held:
        assert assignment.token is not None
        others = [
            other for other in held_assignments(labeler.pk, project.pk) if other.pk != assignment.pk
        ]
        now, _ahead = submit_and_go_on(
            project,
            labeler,
            Judgment(BEST_FIRST),
            token=assignment.token,
            assignment=assignment,
            others=others,
        )
        assert now is None or now.pk in {other.pk for other in [*held, *held_by(labeler)]}
        assert held_by(labeler).count() <= 3
    assert Ranking.objects.filter(is_current=True).count() == 3
    assert held_by(labeler).count() == 1
