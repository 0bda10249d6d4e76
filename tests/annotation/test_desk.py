"""What happens at the desk beside a plain submit: skips, leases, drafts, undo, revisions."""

import uuid
from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.judgment.agreement import agreement
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Details
from annotation.models import Draft, Flag, Place, Project, PromptGroup, Ranking, Triple, User
from annotation.selectors.demonstrations import demonstration_rows, prompts_to_answer
from annotation.selectors.progress import kept_drafts, progress_of
from annotation.selectors.rankings import group_rows, triple_rows, triples
from annotation.services.demonstrations import write_demonstration
from annotation.services.drafts import draft_for, reordered, save_draft
from annotation.services.places import (
    fit_places,
    flag_prompt,
    give_back,
    give_back_ahead,
    renew_lease,
    skip_group,
    take_ahead,
    take_place,
)
from annotation.services.rankings import (
    RankingRefused,
    revise_ranking,
    submit_ranking,
    undo_last,
)
from tests.people import member, ready_group

BEST_FIRST = {0: 1, 1: 2, 2: 3}


@pytest.fixture
def group(project: Project) -> PromptGroup:
    return ready_group(project)


def take(project: Project, labeler: User) -> tuple[Place, uuid.UUID]:
    place = take_place(project, labeler)
    assert place is not None
    assert place.token is not None
    return place, place.token


def rank(
    project: Project, labeler: User, ranks: Mapping[int, int] = BEST_FIRST, **details: object
) -> Ranking:
    _place, token = take(project, labeler)
    return submit_ranking(labeler, token, ranks, details=Details(**details))  # type: ignore[arg-type]


def expire(**which: object) -> None:
    Place.objects.filter(**which).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_a_skipped_group_is_free_for_others_at_once(group: PromptGroup, labeler: User) -> None:
    _place, token = take(group.project, labeler)
    assert skip_group(labeler, token, "unsure")
    assert take_place(group.project, member(group.project, "other")) is not None


def test_a_skipped_group_never_comes_back_to_whoever_skipped_it(
    group: PromptGroup, labeler: User
) -> None:
    _place, token = take(group.project, labeler)
    skip_group(labeler, token, "unsure")
    assert take_place(group.project, labeler) is None
    assert group.skips.get().reason == "unsure"


def test_a_group_given_back_may_come_back(group: PromptGroup, labeler: User) -> None:
    take(group.project, labeler)
    give_back(group.project, labeler)
    assert take_place(group.project, labeler) is not None


def test_only_the_holder_of_a_lease_skips_or_flags(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    _place, token = take(group.project, labeler)
    assert not skip_group(stranger, token, "unsure")
    assert flag_prompt(stranger, token, "Hm.") is None
    assert not Flag.objects.exists()


def test_a_flag_names_prompt_and_labeler(group: PromptGroup, labeler: User) -> None:
    _place, token = take(group.project, labeler)
    flag = flag_prompt(labeler, token, "Two questions in one.")
    assert flag is not None
    assert (flag.prompt, flag.labeler) == (group.prompt, labeler)


def test_a_lease_is_renewed_while_it_is_worked_on(group: PromptGroup, labeler: User) -> None:
    place, token = take(group.project, labeler)
    expire(pk=place.pk)
    until = renew_lease(group.project, labeler, token)
    assert until is not None
    assert until > timezone.now()
    assert submit_ranking(labeler, token, BEST_FIRST)


def test_a_lease_that_somebody_else_has_taken_is_not_renewed(
    group: PromptGroup, labeler: User
) -> None:
    place, token = take(group.project, labeler)
    expire(pk=place.pk)
    take(group.project, member(group.project, "other"))
    assert renew_lease(group.project, labeler, token) is None


def test_the_group_ahead_is_the_one_that_comes_next(project: Project, labeler: User) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    now, token = take(project, labeler)
    ahead = take_ahead(project, labeler)
    assert ahead is not None
    assert ahead.pk != now.pk
    assert take_ahead(project, labeler) == ahead
    assert take_place(project, labeler) == now
    submit_ranking(labeler, token, BEST_FIRST)
    assert take_place(project, labeler) == ahead


def test_the_time_of_a_group_ahead_counts_from_when_it_is_shown(
    project: Project, labeler: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    rank(project, labeler)
    take(project, labeler)
    Place.objects.filter(is_done=False).update(leased_at=None)
    place, _token = take(project, labeler)
    assert place.leased_at is not None
    assert timezone.now() - place.leased_at < timedelta(seconds=5)


def test_a_group_ahead_counts_as_leased_until_it_is_given_back(
    project: Project, labeler: User
) -> None:
    ready_group(project, "One?")
    ready_group(project, "Two?")
    take(project, labeler)
    take_ahead(project, labeler)
    other = member(project, "other")
    assert take_place(project, other) is None
    give_back_ahead(labeler)
    assert take_place(project, other) is not None


def test_nothing_is_leased_ahead_of_nothing(group: PromptGroup, labeler: User) -> None:
    assert take_ahead(group.project, labeler) is None
    take(group.project, labeler)
    assert take_ahead(group.project, labeler) is None


def test_a_draft_comes_back_with_its_group(group: PromptGroup, labeler: User) -> None:
    place, token = take(group.project, labeler)
    assert save_draft(labeler, token, {"rank_1": "2", "comment": "so far"})
    assert draft_for(place) == {"rank_1": "2", "comment": "so far"}


def test_a_late_draft_is_kept_and_follows_the_answers_into_another_order(
    group: PromptGroup, labeler: User
) -> None:
    place, token = take(group.project, labeler)
    expire(pk=place.pk)
    other = member(group.project, "other")
    take(group.project, other)
    assert save_draft(labeler, token, {"rank_1": "3", "comment": "late"})
    assert list(kept_drafts(group.project, labeler)) == [Draft.objects.get(labeler=labeler)]
    give_back(group.project, other)
    again, _token = take(group.project, labeler)
    number = again.shown_order.index(place.shown_order[0]) + 1
    assert draft_for(again) == {f"rank_{number}": "3", "comment": "late"}


def test_fields_of_an_answer_move_with_it() -> None:
    content = {"rank_1": "2", "flags_3": ["opinion"], "comment": "x"}
    moved = {"rank_3": "2", "flags_1": ["opinion"], "comment": "x"}
    assert reordered(content, [5, 6, 7], [7, 6, 5]) == moved


def test_nobody_writes_into_the_draft_of_another(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    _place, token = take(group.project, labeler)
    assert not save_draft(stranger, token, {"comment": "mine"})
    assert not Draft.objects.exists()


def test_a_submit_ends_the_draft(group: PromptGroup, labeler: User) -> None:
    _place, token = take(group.project, labeler)
    save_draft(labeler, token, {"comment": "so far"})
    submit_ranking(labeler, token, BEST_FIRST)
    assert not Draft.objects.exists()


def test_an_undone_submit_is_open_again_with_all_that_was_said(
    group: PromptGroup, labeler: User
) -> None:
    ratings = {2: AnswerRating(quality=6, flags=("opinion",))}
    ranking = rank(group.project, labeler, {0: 1, 1: 2, 2: 2}, ratings=ratings)
    undo_last(group.project, labeler)
    place, token = take(group.project, labeler)
    number = place.shown_order.index(2) + 1
    content = draft_for(place)
    assert content is not None
    assert content[f"rank_{number}"] == "2"
    assert content[f"quality_{number}"] == "6"
    assert content[f"flags_{number}"] == ["opinion"]
    again = submit_ranking(labeler, token, BEST_FIRST)
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
    new = revise_ranking(labeler, old.pk, uuid.uuid4(), {0: 3, 1: 2, 2: 1}, "On reflection.")
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
    revise_ranking(labeler, old.pk, uuid.uuid4(), {0: 3, 1: 2, 2: 1})
    undo_last(group.project, labeler)
    assert Ranking.objects.get(is_current=True) == old
    assert Place.objects.get().is_done


def test_a_revision_sent_twice_is_stored_once(group: PromptGroup, labeler: User) -> None:
    old, key = rank(group.project, labeler), uuid.uuid4()
    first = revise_ranking(labeler, old.pk, key, BEST_FIRST)
    assert revise_ranking(labeler, old.pk, key, BEST_FIRST) == first
    assert Ranking.objects.count() == 2


def test_nobody_revises_the_ranking_of_another(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    ranking = rank(group.project, labeler)
    with pytest.raises(RankingRefused):
        revise_ranking(stranger, ranking.pk, uuid.uuid4(), BEST_FIRST)


def test_scores_follow_the_ratings_when_every_answer_has_one(
    group: PromptGroup, labeler: User
) -> None:
    ratings = {0: AnswerRating(quality=7), 1: AnswerRating(quality=4), 2: AnswerRating(quality=1)}
    ranking = rank(group.project, labeler, ratings=ratings)
    assert [t.score for t in ranking.triples.order_by("answer__position")] == [1, 0, -1]
    ratings[0] = AnswerRating(quality=5)
    again = revise_ranking(labeler, ranking.pk, uuid.uuid4(), BEST_FIRST, "", Details(ratings))
    best = again.triples.get(answer__position=0)
    assert best.score == pytest.approx(1 / 3)


def test_scores_follow_the_order_when_an_answer_has_no_rating(
    group: PromptGroup, labeler: User
) -> None:
    ranking = rank(group.project, labeler, ratings={0: AnswerRating(quality=2)})
    assert [t.score for t in ranking.triples.order_by("answer__position")] == [1, 0, -1]


def test_what_was_said_beside_the_order_is_exported(group: PromptGroup, labeler: User) -> None:
    ratings = {1: AnswerRating(quality=3, flags=("hallucination",))}
    ranking = rank(
        group.project, labeler, ratings=ratings, marks=("ambiguous",), none_acceptable=True
    )
    [row] = group_rows(group.project, ranking.pk)
    [said] = row["rankings"]
    assert said["ranks"] == [1, 2, 3]
    assert said["ratings"] == [None, 3, None]
    assert said["flags"] == [[], ["hallucination"], []]
    assert said["marks"] == ["ambiguous"]
    assert said["none_acceptable"] is True
    rows = {row["rank"]: row for row in triple_rows(triples(group.project))}
    assert rows[2]["quality"] == 3
    assert rows[2]["flags"] == "hallucination"
    assert rows[1]["marks"] == "ambiguous"


def test_agreement_counts_the_pairs_that_both_put_in_an_order() -> None:
    assert agreement([([1, 2, 3], [1, 2, 3])]) == 1
    assert agreement([([1, 2, 3], [3, 2, 1])]) == 0
    assert agreement([([1, 2, 2], [1, 3, 2])]) == 1
    assert agreement([([1, 1], [1, 2])]) is None


def test_progress_knows_own_rankings_and_agreement_with_others(
    group: PromptGroup, labeler: User
) -> None:
    group.project.overlap = 2
    group.project.save()
    fit_places(group.project)
    rank(group.project, labeler, {0: 1, 1: 2, 2: 3})
    rank(group.project, member(group.project, "other"), {0: 1, 1: 3, 2: 2})
    progress = progress_of(group.project, labeler)
    assert (progress.today, progress.in_all) == (1, 1)
    assert progress.agreement == pytest.approx(2 / 3)
    assert progress.seconds is not None


def test_a_better_answer_is_a_demonstration_of_the_prompt(
    group: PromptGroup, labeler: User
) -> None:
    better = BetterAnswer("Eight minutes.", source=1, is_first=True)
    ranking = rank(group.project, labeler, better=better)
    written = ranking.demonstrations.get()
    assert (written.prompt, written.author, written.is_first) == (group.prompt, labeler, True)
    assert written.source is not None
    assert written.source.position == 1
    [row] = demonstration_rows(group.project)
    assert row["messages"][-1] == {"role": "assistant", "content": "Eight minutes."}
    [exported] = group_rows(group.project, ranking.pk)
    assert exported["rankings"][0]["better"] == {"text": "Eight minutes.", "is_first": True}


def test_an_undone_submit_takes_its_better_answer_along(group: PromptGroup, labeler: User) -> None:
    rank(group.project, labeler, better=BetterAnswer("Eight minutes.", source=1))
    undo_last(group.project, labeler)
    assert list(demonstration_rows(group.project)) == []
    place, _token = take(group.project, labeler)
    content = draft_for(place)
    assert content is not None
    assert content["better"] == "Eight minutes."
    assert content["better_source"] == str(place.shown_order.index(1) + 1)


def test_prompts_are_offered_until_enough_people_wrote_an_answer(
    group: PromptGroup, labeler: User, stranger: User
) -> None:
    project = group.project
    assert not prompts_to_answer(project, labeler).exists()
    project.demonstrations_wanted = 2
    assert prompts_to_answer(project, labeler).get() == group.prompt
    write_demonstration(group.prompt, labeler, "Eight minutes.")
    assert not prompts_to_answer(project, labeler).exists()
    assert prompts_to_answer(project, stranger).exists()
    project.demonstrations_wanted = 1
    assert not prompts_to_answer(project, stranger).exists()
