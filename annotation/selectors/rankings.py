"""Reading judgments: native rows for snapshots."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Prefetch, QuerySet

from annotation.judgment.scores import below_first
from annotation.models import (
    Answer,
    Demonstration,
    Project,
    PromptGroup,
    Ranking,
    Rating,
)

NO_RATING = Rating()
WRITTEN = "written"  # the finish reason of an answer that a person wrote


def current_rankings(project: Project) -> QuerySet[Ranking]:
    return Ranking.objects.filter(group__project=project, is_current=True)


def group_rows(project: Project, last_ranking_id: int) -> Iterator[dict[str, Any]]:
    """One native row for each ranked group; labelers are named by number, not by name.

    A ranking with an answer that its labeler wrote and placed first has a row of its own, of
    K + 1 answers. What was written without being placed first stands beside the ranks.
    """
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
        judged: list[Ranking] = getattr(group, "judged")  # noqa: B009 (prefetched attribute)
        alike = [ranking for ranking in judged if _first_of(ranking) is None]
        if alike:
            yield _group_row(group, answers, alike)
        for ranking in judged:
            first = _first_of(ranking)
            if first is not None:
                yield _led_row(_group_row(group, answers, [ranking]), ranking, first)


def _written_beside(ranking: Ranking) -> Demonstration | None:
    """The answer that the labeler wrote with the ranking. It stays part of this judgment when
    they write another one to the same question later."""
    return next(iter(ranking.demonstrations.all()), None)


def _first_of(ranking: Ranking) -> Demonstration | None:
    written = _written_beside(ranking)
    return written if written is not None and written.is_first else None


def _group_row(
    group: PromptGroup, answers: list[Answer], rankings: list[Ranking]
) -> dict[str, Any]:
    return {
        "id": f"group-{group.pk}",
        "lang": group.prompt.language,
        "prompt": group.prompt.messages,
        "split": group.prompt.split,
        "answers": [answer.text for answer in answers],
        "finish_reasons": [answer.finish_reason for answer in answers],
        "rankings": [_ranking_row(ranking, answers) for ranking in rankings],
    }


def _led_row(row: dict[str, Any], ranking: Ranking, first: Demonstration) -> dict[str, Any]:
    """The row of one ranking with the answer that its labeler wrote and placed before all.

    Nobody else saw that answer, so this ranking stands in a row of its own, and only there.
    """
    [said] = row["rankings"]
    said["ranks"] = [*below_first(said["ranks"]), 1]
    for name, nothing in (("ratings", None), ("flags", []), ("highlights", [])):
        if name in said:
            said[name] = [*said[name], nothing]
    return {
        **row,
        "id": f"{row['id']}-labeler-{ranking.labeler_id}",
        "answers": [*row["answers"], first.text],
        "finish_reasons": [*row["finish_reasons"], WRITTEN],
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
    written = _written_beside(ranking)
    if written is not None and not written.is_first:
        row["better"] = written.text
    return row


def prompt_rows(project: Project) -> Iterator[dict[str, Any]]:
    for prompt in project.prompts.order_by("id").iterator(chunk_size=1000):
        yield {
            "id": f"prompt-{prompt.pk}",
            "lang": prompt.language,
            "prompt": prompt.messages,
            "split": prompt.split,
        }
