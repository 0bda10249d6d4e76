"""Reading rankings: the current ones, the one that can be undone, native rows for snapshots."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from annotation.judgment.judgment import NO_RATING, Judgment
from annotation.judgment.scores import below_first, dense_ranks
from annotation.lm.chat import with_system
from annotation.models import Answer, Project, PromptGroup, Ranking, User
from annotation.selectors.stored_judgments import prefetched_judgment, with_judgments

UNDO_FOR = timedelta(minutes=10)
WRITTEN = "written"  # the finish reason of an answer that a person wrote


def current_rankings(project: Project) -> QuerySet[Ranking]:
    return Ranking.objects.filter(group__project=project, is_current=True)


def undoable_ranking(project: Project, labeler: User) -> Ranking | None:
    """The labeler's newest ranking in the project, when it was stored within ten minutes."""
    since = timezone.now() - UNDO_FOR
    newest = Ranking.objects.filter(labeler=labeler, created_at__gte=since, is_current=True)
    return newest.filter(group__project=project).order_by("-created_at", "-id").first()


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
        compared = {f"labeler-{one.labeler_id}": one.compared for one in current}
        alike = [(labeler, judgment) for labeler, judgment in judged if not judgment.is_led]
        if alike:
            row = _group_row(group, answers, alike)
            yield {**row, "rankings": [*in_parts(row["rankings"], compared)]}
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
        "prompt": group.messages,
        "split": group.prompt.split,
        "answers": [answer.text for answer in answers],
        "finish_reasons": [answer.finish_reason for answer in answers],
        **({"picked": group.picked} if group.picked else {}),
        "rankings": [_ranking_row(labeler, judgment) for labeler, judgment in judged],
    }


def in_parts(
    rankings: list[dict[str, Any]], compared: Mapping[str, list[list[int]] | None]
) -> Iterator[dict[str, Any]]:
    """A ranking that says nothing of some pairs as rankings that have no rank for an answer: as one
    where those that are ranked are all compared, else as one for each pair."""
    for row in rankings:
        pairs = compared[row["labeler"]]
        if pairs is None:
            yield row
            continue
        among = sorted({place for pair in pairs for place in pair})
        parts = [among] if 2 * len(pairs) == len(among) * (len(among) - 1) else pairs
        said = row
        for part in parts or [[]]:
            order = dense_ranks([row["ranks"][place] for place in part])
            ranks = dict(zip(part, order, strict=True))
            yield {**said, "ranks": [ranks.get(place) for place in range(len(row["ranks"]))]}
            said = {name: said[name] for name in ("labeler", "ratings") if name in said}


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
    """Every prompt that is not withdrawn, as the policy will read it."""
    asked = project.prompts.filter(is_withdrawn=False)
    for prompt in asked.order_by("id").iterator(chunk_size=1000):
        yield {
            "id": f"prompt-{prompt.pk}",
            "lang": prompt.language,
            "prompt": with_system(prompt.messages, project.system_prompt),
            "split": prompt.split,
        }
