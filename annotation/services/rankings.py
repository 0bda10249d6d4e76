"""Storing what labelers judged."""

import uuid
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.judgment.highlights import is_in_place
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Details
from annotation.judgment.scores import BEST, below_first, dense_ranks, scores_of
from annotation.models import (
    Answer,
    Assignment,
    Demonstration,
    Draft,
    Project,
    Ranking,
    Rating,
    Triple,
    User,
)
from annotation.selectors.assignments import answers_to_rank, assignment_under
from annotation.selectors.said import says_the_same
from annotation.services.assignments import finish, go_on, lock_user
from annotation.services.demonstrations import write_demonstration

NOTHING_MORE = Details()
NO_RATING = AnswerRating()


class RankingRefused(Exception):
    """A sentence for the labeler; nothing was stored."""


class LeaseGone(RankingRefused):
    """The assignment is no longer the labeler's."""


@transaction.atomic
def submit_ranking(
    labeler: User,
    token: uuid.UUID,
    ranks: Mapping[int, int],
    comment: str = "",
    details: Details = NOTHING_MORE,
) -> Ranking:
    """Stores ranking, ratings and triples of what is leased under `token`, in one transaction.

    `ranks` maps each answer's position to its rank, 1 is best, equal ranks tie. The token is
    the idempotency key: sent twice, the ranking is stored once and the stored one returned.
    Raises LeaseGone when it is not the labeler's any more, RankingRefused when an answer has no
    rank or when another judgment was stored under the token.
    """
    return _submit(labeler, token, assignment_under(labeler, token), ranks, comment, details)


@transaction.atomic
def submit_and_go_on(
    project: Project,
    labeler: User,
    assignment: Assignment | None,
    held: Sequence[Assignment],
    token: uuid.UUID,
    ranks: Mapping[int, int],
    comment: str,
    details: Details,
) -> tuple[Assignment | None, Assignment | None]:
    """`submit_ranking` of the assignment read under `token`, then `go_on`, in one transaction."""
    if not held:
        lock_user(labeler)  # as `go_on` will have to, and before any assignment, as everywhere
    _submit(labeler, token, assignment, ranks, comment, details)
    return go_on(project, labeler, held)


def _submit(
    labeler: User,
    token: uuid.UUID,
    assignment: Assignment | None,
    ranks: Mapping[int, int],
    comment: str,
    details: Details,
) -> Ranking:
    if assignment is None or not finish(assignment):
        return _stored_before(labeler, token, assignment, ranks, comment, details)
    spent = timezone.now() - assignment.leased_at if assignment.leased_at else None
    ranking = store_ranking(
        Ranking(
            group_id=assignment.group_id,
            labeler=labeler,
            shown_order=assignment.shown_order,
            comment=comment,
            seconds=spent.total_seconds() if spent else None,
            idempotency_key=token,
        ),
        assignment.project_id,
        ranks,
        details,
    )
    Draft.objects.filter(group_id=assignment.group_id, labeler=labeler).delete()
    return ranking


def _stored_before(
    labeler: User,
    token: uuid.UUID,
    assignment: Assignment | None,
    ranks: Mapping[int, int],
    comment: str,
    details: Details,
) -> Ranking:
    """The ranking that this submit repeats. Raises RankingRefused when it says something else."""
    kept = Ranking.objects.filter(labeler=labeler, undone_at__isnull=True)
    stored = kept.filter(idempotency_key=token).first()
    if stored is not None and says_the_same(stored, ranks, comment, details):
        return stored
    if stored is not None:
        raise RankingRefused(
            _(
                "You have judged this group already, in another window. What was stored first "
                "holds; you can change it under My rankings."
            )
        )
    if assignment is not None:
        raise LeaseGone(_("Your time for this group ran out, so the ranking was not stored."))
    raise LeaseGone(
        _(
            "This group is no longer yours: its time ran out, you gave it back, skipped it or "
            "opened it again in another window, or it was withdrawn. The ranking was not stored."
        )
    )


def store_ranking(
    ranking: Ranking, project_id: int, ranks: Mapping[int, int], details: Details
) -> Ranking:
    """Saves the ranking as the newest revision, with ratings and triples. Raises RankingRefused.

    A better answer that the labeler placed first is scored too, and the others below it.
    """
    answers = answers_to_rank(ranking.group_id, ranking.labeler_id)
    if set(ranks) != {answer.position for answer in answers}:
        raise RankingRefused(_("Give every answer a rank, then submit."))
    if any(rank < 1 for rank in ranks.values()):
        raise RankingRefused(_("A rank is 1 or more."))
    for answer in answers:
        said = details.ratings.get(answer.position, NO_RATING)
        if not all(is_in_place(highlight, answer.text) for highlight in said.highlights):
            raise RankingRefused(
                _("A highlight is not where it was: remove it and mark the passage again.")
            )
    ranking.ranks = dense_ranks([ranks[answer.position] for answer in answers])
    ranking.marks, ranking.none_acceptable = list(details.marks), details.none_acceptable
    ranking.revision = getattr(answers[0], "last_revision") + 1  # noqa: B009 (annotated)
    ranking.save(force_insert=True)
    ratings = [details.ratings.get(answer.position, NO_RATING) for answer in answers]
    Rating.objects.bulk_create(
        Rating(
            ranking=ranking,
            answer=answer,
            quality=rating.quality,
            flags=list(rating.flags),
            highlights=list(rating.highlights),
        )
        for answer, rating in zip(answers, ratings, strict=True)
        if not rating.is_empty
    )
    first = _write_better(ranking, answers, details.better) if details.better else None
    placed = below_first(ranking.ranks) if first else ranking.ranks
    scores = scores_of(ranking.ranks, [rating.quality for rating in ratings], bool(first))
    of_ranking = {"project_id": project_id, "ranking": ranking}
    triples = [
        Triple(answer=answer, rank=rank, score=score, **of_ranking)
        for answer, rank, score in zip(answers, placed, scores, strict=True)
    ]
    if first:
        triples.append(Triple(demonstration=first, rank=1, score=BEST, **of_ranking))
    Triple.objects.bulk_create(triples)
    return ranking


def _write_better(
    ranking: Ranking, answers: Sequence[Answer], better: BetterAnswer
) -> Demonstration | None:
    """Stores what the labeler wrote; returned when it is an answer of its own, placed first."""
    source = next((answer for answer in answers if answer.position == better.source), None)
    texts = Answer.objects.filter(group=ranking.group_id).values_list("text", flat=True)
    is_first = better.leads(list(texts))
    written = write_demonstration(
        ranking.group.prompt, ranking.labeler, better.text, source, ranking, is_first
    )
    return written if is_first else None
