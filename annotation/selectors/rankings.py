"""Reading rankings: the current ones, the one that can be undone, native rows for snapshots."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from annotation.exchange.writing.snapshot_rows import snapshot_rows
from annotation.lm.chat import with_system
from annotation.models import Answer, Project, Prompt, PromptGroup, Ranking, User
from annotation.selectors.stored_judgments import prefetched_judgment, with_judgments

UNDO_FOR = timedelta(minutes=10)
CHUNK = 500
READ, WANTED = "read_answers", "wanted"


def current_rankings(project: Project) -> QuerySet[Ranking]:
    return Ranking.objects.filter(group__project=project, is_current=True)


def undoable_ranking(project: Project, labeler: User) -> Ranking | None:
    """The labeler's newest ranking in the project, when it was stored within ten minutes."""
    since = timezone.now() - UNDO_FOR
    newest = Ranking.objects.filter(labeler=labeler, created_at__gte=since, is_current=True)
    return newest.filter(group__project=project).order_by("-created_at", "-id").first()


def group_rows(project: Project, last_ranking_id: int) -> Iterator[dict[str, Any]]:
    """The rows of each ranked group; labelers are named by number, not by name."""
    rankings = current_rankings(project).filter(id__lte=last_ranking_id).order_by("labeler_id")
    for group in with_answers(rankings, "text", "finish_reason", "policy__number", "author"):
        current: list[Ranking] = getattr(group, WANTED)
        judged = [(f"labeler-{one.labeler_id}", prefetched_judgment(one)) for one in current]
        compared = {f"labeler-{one.labeler_id}": one.compared for one in current}
        informed = {f"labeler-{one.labeler_id}" for one in current if one.is_informed}
        yield from snapshot_rows(_group_row(group), judged, compared, informed)


def with_answers(
    rankings: QuerySet[Ranking], *columns: str, more: "Sequence[Prefetch[Any]]" = ()
) -> Iterator[PromptGroup]:
    """Each group with any of these rankings, oldest first, with its prompt; `WANTED` are the
    rankings, `READ` these columns of its answers. An answer as a row of the ORM takes most of the
    time that a group does."""
    groups = (
        PromptGroup.objects.filter(id__in=rankings.order_by().values("group_id"))
        .select_related("prompt")
        .prefetch_related(Prefetch("rankings", with_judgments(rankings), WANTED), *more)
        .order_by("id")
    )
    found = groups.iterator(chunk_size=CHUNK)
    while chunk := {group.pk: group for group in islice(found, CHUNK)}:
        for group in chunk.values():
            setattr(group, READ, [])
        answers = Answer.objects.filter(group__in=chunk).order_by("position")
        for group_id, *answer in answers.values_list("group_id", *columns):
            getattr(chunk[group_id], READ).append(answer)
        yield from chunk.values()


def _group_row(group: PromptGroup) -> dict[str, Any]:
    answers: list[list[Any]] = getattr(group, READ)
    return {
        "id": f"group-{group.pk}",
        "lang": group.prompt.language,
        "prompt": group.messages,
        "split": group.prompt.split,
        "answers": [text for text, *_rest in answers],
        "finish_reasons": [reason for _text, reason, *_rest in answers],
        "sources": [_source(number, author) for _text, _reason, number, author in answers],
        **({"picked": group.picked} if group.picked else {}),
    }


def _source(policy: int | None, author: str) -> dict[str, Any]:
    """Which version wrote an answer, or who elsewhere did."""
    if policy is not None:
        return {"policy": policy}
    return {"author": author} if author else {}


def prompts_in_use(project: Project) -> QuerySet[Prompt]:
    """Those that are not withdrawn."""
    return project.prompts.filter(is_withdrawn=False)


def prompt_rows(
    project: Project, prompts: QuerySet[Prompt] | None = None
) -> Iterator[dict[str, Any]]:
    """Every prompt in use, or these of them, as the policy will read it."""
    asked = prompts_in_use(project) if prompts is None else prompts
    for prompt in asked.order_by("id").iterator(chunk_size=1000):
        yield {
            "id": f"prompt-{prompt.pk}",
            "lang": prompt.language,
            "prompt": with_system(prompt.messages, project.system_prompt),
            "split": prompt.split,
        }
