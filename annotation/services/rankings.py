"""Storing what labelers judged."""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.judgment.highlights import is_in_place
from annotation.judgment.judgment import NO_RATING, BetterAnswer, Judgment
from annotation.judgment.scores import BEST, below_first, scores_of
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
from annotation.selectors.stored_judgments import as_stored, says_the_same
from annotation.services.assignments import finish, go_on, lock_user
from annotation.services.demonstrations import write_demonstration
from annotation.services.told import tell_of_ranking


class RankingRefused(Exception):
    """A sentence for the labeler; nothing was stored."""


class LeaseGone(RankingRefused):
    """The assignment is no longer the labeler's."""


@transaction.atomic
def submit_ranking(labeler: User, judgment: Judgment, *, token: uuid.UUID) -> Ranking:
    """Stores ranking, ratings and triples of what is leased under `token`, in one transaction.

    The token is the idempotency key: sent twice, the ranking is stored once and the stored one
    returned. Raises LeaseGone when it is not the labeler's any more, RankingRefused when an answer
    has no rank or when another judgment was stored under the token.
    """
    return _submit(labeler, judgment, token, assignment_under(labeler, token))


@transaction.atomic
def submit_and_go_on(
    project: Project,
    labeler: User,
    judgment: Judgment,
    *,
    token: uuid.UUID,
    assignment: Assignment | None,
    others: Sequence[Assignment],
) -> tuple[Assignment | None, Assignment | None]:
    """`submit_ranking` of the assignment read under `token`, then `go_on`, in one transaction.

    `others` are the assignments that the labeler holds beside it.
    """
    if not others:
        lock_user(labeler)  # as `go_on` will have to, and before any assignment, as everywhere
    _submit(labeler, judgment, token, assignment)
    return go_on(project, labeler, others)


def _submit(
    labeler: User, judgment: Judgment, token: uuid.UUID, assignment: Assignment | None
) -> Ranking:
    if assignment is None or not finish(assignment):
        return _stored_before(labeler, judgment, token, assignment)
    spent = timezone.now() - assignment.leased_at if assignment.leased_at else None
    ranking = Ranking(
        group_id=assignment.group_id,
        labeler=labeler,
        shown_order=assignment.shown_order,
        seconds=spent.total_seconds() if spent else None,
        idempotency_key=token,
    )
    store_ranking(ranking, judgment, project_id=assignment.project_id)
    Draft.objects.filter(group_id=assignment.group_id, labeler=labeler).delete()
    return ranking


def _stored_before(
    labeler: User, judgment: Judgment, token: uuid.UUID, assignment: Assignment | None
) -> Ranking:
    """The ranking that this submit repeats. Raises RankingRefused when it says something else."""
    kept = Ranking.objects.filter(labeler=labeler, undone_at__isnull=True)
    stored = kept.filter(idempotency_key=token).first()
    if stored is not None and says_the_same(stored, judgment):
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


def store_ranking(ranking: Ranking, judgment: Judgment, *, project_id: int) -> None:
    """Saves the new row with the judgment, as the newest revision, with its ratings and triples.

    Raises RankingRefused when the judgment does not rank just the group's answers, or marks a
    passage that is not in one.
    """
    answers = answers_to_rank(ranking.group_id, ranking.labeler_id)
    if set(judgment.ranks) != {answer.position for answer in answers}:
        raise RankingRefused(_("Give every answer a rank, then submit."))
    if any(rank < 1 for rank in judgment.ranks.values()):
        raise RankingRefused(_("A rank is 1 or more."))
    for answer in answers:
        said = judgment.ratings.get(answer.position, NO_RATING)
        if not all(is_in_place(highlight, answer.text) for highlight in said.highlights):
            raise RankingRefused(
                _("A highlight is not where it was: remove it and mark the passage again.")
            )
    ranking.revision = getattr(answers[0], "last_revision") + 1  # noqa: B009 (annotated)
    judgment = as_stored(judgment, ranking)
    ranking.mode = judgment.mode
    ranking.ranks = [judgment.ranks[answer.position] for answer in answers]
    ranking.comment, ranking.marks = judgment.comment, list(judgment.marks)
    ranking.none_acceptable = judgment.none_acceptable
    ranking.is_informed = ranking.revision > 1 and _is_informed(ranking)
    ranking.save(force_insert=True)
    Rating.objects.bulk_create(
        Rating(
            ranking=ranking,
            answer=answer,
            quality=rating.quality,
            flags=list(rating.flags),
            highlights=list(rating.highlights),
        )
        for answer in answers
        if (rating := judgment.ratings.get(answer.position))
    )
    written = _write_better(ranking, answers, judgment.better) if judgment.better else None
    qualities = [judgment.ratings.get(one.position, NO_RATING).quality for one in answers]
    _store_triples(ranking, answers, qualities, written, project_id)
    if getattr(answers[0], "is_told"):  # noqa: B009 (annotated)
        tell_of_ranking(ranking)


def _is_informed(ranking: Ranking) -> bool:
    """Whether it says something else than the revision before it, after whose submit the labeler
    read what the teacher model expected, or before which they had."""
    own = Ranking.objects.filter(group_id=ranking.group_id, labeler_id=ranking.labeler_id)
    before = own.select_related("group__project").get(revision=ranking.revision - 1)
    if before.ranks == ranking.ranks:
        return before.is_informed
    is_shown = before.group.project.shows_expectation and bool(before.group.expected)
    return before.is_informed or (is_shown and len(set(before.ranks)) > 1)


def _write_better(
    ranking: Ranking, answers: Sequence[Answer], better: BetterAnswer
) -> Demonstration:
    source = next((answer for answer in answers if answer.position == better.source), None)
    return write_demonstration(
        ranking.group.prompt,
        ranking.labeler,
        better.text,
        source=source,
        ranking=ranking,
        is_first=better.is_first,
    )


def _store_triples(
    ranking: Ranking,
    answers: Sequence[Answer],
    qualities: Sequence[int | None],
    written: Demonstration | None,
    project_id: int,
) -> None:
    """One for each answer; what the labeler wrote and placed first is one more, the best."""
    first = written if written is not None and written.is_first else None
    ranks = below_first(ranking.ranks) if first else ranking.ranks
    scores = scores_of(ranking.ranks, qualities, first is not None)
    of_ranking = {"project_id": project_id, "ranking": ranking}
    triples = [
        Triple(answer=answer, rank=rank, score=score, **of_ranking)
        for answer, rank, score in zip(answers, ranks, scores, strict=True)
    ]
    if first:
        triples.append(Triple(demonstration=first, rank=1, score=BEST, **of_ranking))
    Triple.objects.bulk_create(triples)
