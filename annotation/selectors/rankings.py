"""Reading judgments: native rows for snapshots, triples for people."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet

from annotation.exchange.triples import question_text
from annotation.judgment.judgment import NO_RATING, Judgment
from annotation.judgment.scores import below_first
from annotation.models import Answer, Project, PromptGroup, Ranking, Triple
from annotation.selectors.stored_judgments import prefetched_judgment, with_judgments

WRITTEN = "written"  # the finish reason of an answer that a person wrote


def current_rankings(project: Project) -> QuerySet[Ranking]:
    return Ranking.objects.filter(group__project=project, is_current=True)


def group_rows(project: Project, last_ranking_id: int) -> Iterator[dict[str, Any]]:
    """One native row for each ranked group; labelers are named by number, not by name.

    A ranking with an answer that its labeler wrote and placed first has a row of its own, of
    K + 1 answers. What was written without being placed first stands beside the ranks.
    """
    rankings = current_rankings(project).filter(id__lte=last_ranking_id).order_by("labeler_id")
    groups = (
        PromptGroup.objects.filter(id__in=rankings.order_by().values("group_id"))
        .select_related("prompt")
        .prefetch_related(
            Prefetch("answers", Answer.objects.order_by("position")),
            Prefetch("rankings", with_judgments(rankings), to_attr="current"),
        )
        .order_by("id")
    )
    for group in groups.iterator(chunk_size=500):
        answers = list(group.answers.all())
        current: list[Ranking] = getattr(group, "current")  # noqa: B009 (prefetched attribute)
        judged = [(f"labeler-{one.labeler_id}", prefetched_judgment(one)) for one in current]
        alike = [(labeler, judgment) for labeler, judgment in judged if not judgment.is_led]
        if alike:
            yield _group_row(group, answers, alike)
        for labeler, judgment in judged:
            if judgment.better and judgment.is_led:
                row = _group_row(group, answers, [(labeler, judgment)])
                yield _led_row(row, labeler, judgment.better.text)


def _group_row(
    group: PromptGroup, answers: list[Answer], judged: list[tuple[str, Judgment]]
) -> dict[str, Any]:
    return {
        "id": f"group-{group.pk}",
        "lang": group.prompt.language,
        "prompt": group.prompt.messages,
        "split": group.prompt.split,
        "answers": [answer.text for answer in answers],
        "finish_reasons": [answer.finish_reason for answer in answers],
        "rankings": [_ranking_row(labeler, judgment) for labeler, judgment in judged],
    }


def _led_row(row: dict[str, Any], labeler: str, first: str) -> dict[str, Any]:
    """The row of one ranking with the answer that its labeler wrote and placed before all.

    Nobody else saw that answer, so this ranking stands in a row of its own, and only there.
    """
    return {
        **row,
        "id": f"{row['id']}-{labeler}",
        "answers": [*row["answers"], first],
        "finish_reasons": [*row["finish_reasons"], WRITTEN],
    }


def _ranking_row(labeler: str, judgment: Judgment) -> dict[str, Any]:
    """With what was said beside the ranks, if anything; lists are in the order of the answers.

    An answer that the labeler wrote and placed first is the last of them, and has no rating.
    """
    positions = sorted(judgment.ranks)
    ranks = [judgment.ranks[position] for position in positions]
    ratings = [judgment.ratings.get(position, NO_RATING) for position in positions]
    if judgment.is_led:
        ranks, ratings = [*below_first(ranks), 1], [*ratings, NO_RATING]
    row: dict[str, Any] = {"labeler": labeler, "ranks": ranks}
    if any(rating.quality for rating in ratings):
        row["ratings"] = [rating.quality for rating in ratings]
    if any(rating.flags for rating in ratings):
        row["flags"] = [list(rating.flags) for rating in ratings]
    if any(rating.highlights for rating in ratings):
        row["highlights"] = [list(rating.highlights) for rating in ratings]
    if judgment.marks:
        row["marks"] = list(judgment.marks)
    if judgment.none_acceptable:
        row["none_acceptable"] = True
    if judgment.better and not judgment.is_led:
        row["better"] = judgment.better.text
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
        .select_related(
            *("answer__policy", "demonstration"),
            *("ranking__group__prompt", "ranking__labeler"),
        )
        .order_by("-id")
    )


def triple_rows(queryset: QuerySet[Triple]) -> Iterator[dict[str, Any]]:
    """Rows for annotation.exchange.triples; the question is given as messages and as text.

    An answer that a labeler wrote and placed first is a row too: no policy, its end "written".
    """
    rated = queryset.prefetch_related("ranking__ratings")
    for triple in rated.iterator(chunk_size=1000):
        group, answer = triple.ranking.group, triple.answer
        rating = next(
            (one for one in triple.ranking.ratings.all() if one.answer_id == triple.answer_id),
            NO_RATING,
        )
        yield {
            "question": question_text(group.prompt.messages),
            "messages": group.prompt.messages,
            "answer": triple.text,
            "score": round(triple.score, 6),
            "rank": triple.rank,
            "quality": rating.quality,
            "flags": " ".join(rating.flags),
            "marks": " ".join(triple.ranking.marks),
            "none_acceptable": triple.ranking.none_acceptable,
            "comment": triple.ranking.comment,
            "labeler": triple.ranking.labeler.username,
            "group": group.pk,
            "policy": triple.policy_number,
            "split": group.prompt.split,
            "language": group.prompt.language,
            "finish_reason": answer.finish_reason if answer else WRITTEN,
            "ranked_at": triple.ranking.created_at.isoformat(),
        }
