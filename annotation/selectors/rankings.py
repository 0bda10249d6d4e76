"""Reading judgments: native rows for snapshots, triples for people."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet

from annotation.exchange.triples import question_text
from annotation.models import Answer, Project, PromptGroup, Ranking, Rating, Triple

NO_RATING = Rating()


def current_rankings(project: Project) -> QuerySet[Ranking]:
    return Ranking.objects.filter(group__project=project, is_current=True)


def group_rows(project: Project, last_ranking_id: int) -> Iterator[dict[str, Any]]:
    """One native row for each ranked group; labelers are named by number, not by name."""
    rankings = (
        current_rankings(project)
        .filter(id__lte=last_ranking_id)
        .order_by("labeler_id")
        .prefetch_related("ratings", "demonstrations")
    )
    groups = (
        PromptGroup.objects.filter(id__in=rankings.order_by().values("group_id"))
        .select_related("prompt")
        .prefetch_related(
            Prefetch("answers", Answer.objects.order_by("position")),
            Prefetch("rankings", rankings, to_attr="judged"),
        )
        .order_by("id")
    )
    for group in groups.iterator(chunk_size=500):
        answers = list(group.answers.all())
        yield {
            "id": f"group-{group.pk}",
            "lang": group.prompt.language,
            "prompt": group.prompt.messages,
            "split": group.prompt.split,
            "answers": [answer.text for answer in answers],
            "finish_reasons": [answer.finish_reason for answer in answers],
            "rankings": [
                _ranking_row(ranking, answers)
                for ranking in getattr(group, "judged")  # noqa: B009 (prefetched attribute)
            ],
        }


def _ranking_row(ranking: Ranking, answers: list[Answer]) -> dict[str, Any]:
    """With what was said beside the ranks, if anything; lists are in the order of the answers."""
    ratings = {rating.answer_id: rating for rating in ranking.ratings.all()}
    said = [ratings.get(answer.pk, NO_RATING) for answer in answers]
    row = {"labeler": f"labeler-{ranking.labeler_id}", "ranks": ranking.ranks}
    if any(rating.quality for rating in said):
        row["ratings"] = [rating.quality for rating in said]
    if any(rating.flags for rating in said):
        row["flags"] = [rating.flags for rating in said]
    if any(rating.highlights for rating in said):
        row["highlights"] = [rating.highlights for rating in said]
    if ranking.marks:
        row["marks"] = ranking.marks
    if ranking.none_acceptable:
        row["none_acceptable"] = True
    for better in ranking.demonstrations.all():
        if better.is_current:
            row["better"] = {"text": better.text, "is_first": better.is_first}
    return row


def prompt_rows(project: Project) -> Iterator[dict[str, Any]]:
    for prompt in project.prompts.order_by("id").iterator(chunk_size=1000):
        yield {
            "id": f"prompt-{prompt.pk}",
            "lang": prompt.language,
            "prompt": prompt.messages,
            "split": prompt.split,
        }


def triples(project: Project) -> QuerySet[Triple]:
    """The project's current triples, newest first, with all that a page or a file shows."""
    return (
        Triple.objects.filter(project=project, ranking__is_current=True)
        .select_related("answer__group__prompt", "answer__policy", "ranking__labeler")
        .order_by("-id")
    )


def triple_rows(queryset: QuerySet[Triple]) -> Iterator[dict[str, Any]]:
    """Rows for annotation.exchange.triples; the question is given as messages and as text."""
    rated = queryset.prefetch_related("ranking__ratings")
    for triple in rated.iterator(chunk_size=1000):
        group = triple.answer.group
        rating = next(
            (one for one in triple.ranking.ratings.all() if one.answer_id == triple.answer_id),
            NO_RATING,
        )
        yield {
            "question": question_text(group.prompt.messages),
            "messages": group.prompt.messages,
            "answer": triple.answer.text,
            "score": round(triple.score, 6),
            "rank": triple.rank,
            "quality": rating.quality,
            "flags": " ".join(rating.flags),
            "marks": " ".join(triple.ranking.marks),
            "none_acceptable": triple.ranking.none_acceptable,
            "comment": triple.ranking.comment,
            "labeler": triple.ranking.labeler.username,
            "group": group.pk,
            "policy": triple.answer.policy.number,
            "split": group.prompt.split,
            "language": group.prompt.language,
            "finish_reason": triple.answer.finish_reason,
            "ranked_at": triple.ranking.created_at.isoformat(),
        }
