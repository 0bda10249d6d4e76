"""Reading what is taken out, and the exports themselves."""

import hashlib
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from annotation.exchange.writing.formats import Source
from annotation.exchange.writing.native import SCHEMA, judgment_row
from annotation.exchange.writing.wanted import Wanted
from annotation.models import (
    Answer,
    Export,
    Flag,
    PolicyVersion,
    Project,
    PromptGroup,
    Ranking,
    Skip,
    Triple,
)
from annotation.selectors.claims import run_out
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.rankings import current_rankings, in_parts, prompt_rows
from annotation.selectors.stored_judgments import prefetched_judgment, with_judgments
from annotation.selectors.triples import triple_rows, triples
from annotation.templatetags.text import letter

SHOWN = 20
# What is fetched with each group, as lists: a manager would make a query anew for each.
READ, WANTED, SKIPPED, REPORTED = "read_answers", "wanted", "read_skips", "reports"


def free_exports() -> QuerySet[Export]:
    """At work, but in nobody's hands; the oldest first."""
    unclaimed = Q(claim__isnull=True)
    waiting = Export.objects.filter(unclaimed | run_out(), status__in=Export.ACTIVE)
    return waiting.order_by("id")


def exports_of(project: Project) -> list[Export]:
    """The newest first."""
    return list(project.exports.select_related("project")[:SHOWN])


def wanted_rankings(project: Project, wanted: Wanted) -> QuerySet[Ranking]:
    return current_rankings(project).filter(**_asked(wanted))


def _asked(wanted: Wanted, of: str = "") -> dict[str, Any]:
    """What is asked of rankings, or of what leads to one as `of`."""
    asked = {
        "labeler": wanted.labeler,
        "group__policy__number": wanted.policy,
        "group__prompt__language": wanted.language,
        "group__prompt__split": wanted.split,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
    }
    return {f"{of}{by}": value for by, value in asked.items() if value not in (None, "")}


def rows_to_export(
    project: Project, source: Source, wanted: Wanted, salt: UUID, *, whole: bool = False
) -> tuple[int, Iterator[dict[str, Any] | None]]:
    """How many rows there are at most, and the rows; None where one is not wanted.

    `whole` is for whoever reads them to the end, within a transaction that ends with them.
    """
    if source == "prompts":
        return project.prompts.count(), _matching(prompt_rows(project), wanted)
    if source == "demonstrations":
        count = project.demonstrations.filter(is_current=True).count()
        return count, _matching(demonstration_rows(project), wanted)
    if source == "triples":
        found = triples(project).filter(**_asked(wanted, "ranking__")).order_by("id")
        return found.count(), _named_anew(found, salt, _kept(project, wanted), whole=whole)
    rankings = wanted_rankings(project, wanted)
    count = rankings.order_by().values("group_id").distinct().count()
    return count, _narrowed(native_groups(project, rankings, salt), wanted)


def _matching(rows: Iterator[dict[str, Any]], wanted: Wanted) -> Iterator[dict[str, Any] | None]:
    for row in rows:
        is_wanted = wanted.language in ("", row["lang"]) and wanted.split in ("", row["split"])
        yield row if is_wanted else None


def native_groups(
    project: Project, rankings: QuerySet[Ranking], salt: UUID
) -> Iterator[dict[str, Any]]:
    """One native row for each group with any of these rankings, oldest first."""
    policies = PolicyVersion.objects.only("number", "base_model", "sha256")  # not its samples
    answers = Answer.objects.order_by("position").prefetch_related(Prefetch("policy", policies))
    groups = (
        PromptGroup.objects.filter(project=project, id__in=rankings.order_by().values("group_id"))
        .select_related("prompt")
        .prefetch_related(
            Prefetch("answers", answers, READ),
            Prefetch("rankings", with_judgments(rankings.order_by("labeler_id")), WANTED),
            Prefetch("skips", Skip.objects.order_by("id"), SKIPPED),
            Prefetch("prompt__flags", Flag.objects.order_by("id"), REPORTED),
        )
        .order_by("id")
    )
    for group in groups.iterator(chunk_size=500):
        yield _native_group(group, salt)


def _native_group(group: PromptGroup, salt: UUID) -> dict[str, Any]:
    answers: list[Answer] = getattr(group, READ)
    wanted: list[Ranking] = getattr(group, WANTED)
    skips: list[Skip] = getattr(group, SKIPPED)
    reports: list[Flag] = getattr(group.prompt, REPORTED)
    compared = {pseudonym(each.labeler_id, salt): each.compared for each in wanted}
    return {
        "schema": SCHEMA,
        "id": f"group-{group.pk}",
        "prompt_id": f"prompt-{group.prompt_id}",
        "lang": group.prompt.language,
        "split": group.prompt.split,
        "prompt": group.messages,
        "system_prompt": group.system_prompt,
        "answers": [answer.text for answer in answers],
        "finish_reasons": [answer.finish_reason for answer in answers],
        "sources": [_source(answer) for answer in answers],
        "picked": group.picked,
        "seed": group.seed,
        "answered_at": group.ready_at and group.ready_at.isoformat(),
        "rankings": [*in_parts([_native_ranking(each, salt) for each in wanted], compared)],
        "skips": [
            {
                "labeler": pseudonym(skip.labeler_id, salt),
                "reason": skip.reason,
                "at": skip.created_at.isoformat(),
            }
            for skip in skips
        ],
        "reports": [
            {
                "labeler": pseudonym(flag.labeler_id, salt),
                "text": flag.text,
                "at": flag.created_at.isoformat(),
                "resolved": flag.resolved_at is not None,
            }
            for flag in reports
        ],
    }


def _source(answer: Answer) -> dict[str, Any]:
    """What wrote an answer, and all that is needed to write it again."""
    return {
        "policy": answer.policy and answer.policy.number,
        "base_model": answer.policy.base_model if answer.policy else "",
        "sha256": answer.policy.sha256 if answer.policy else "",
        "author": answer.author,
        "seed": answer.seed,
        "sampling": answer.sampling,
        "tokens": answer.token_count,
    }


def _native_ranking(ranking: Ranking, salt: UUID) -> dict[str, Any]:
    return {
        "labeler": pseudonym(ranking.labeler_id, salt),
        "revision": ranking.revision,
        **judgment_row(prefetched_judgment(ranking)),
        "shown_order": ranking.shown_order,
        "letters": _letters(ranking.shown_order),
        "given": ranking.given,
        "seconds": ranking.seconds,
        "ranked_at": ranking.created_at.isoformat(),
    }


def _letters(shown_order: list[int]) -> list[str]:
    """What each answer was called, in the order of the answers."""
    places = {position: place for place, position in enumerate(shown_order, 1)}
    return [letter(places[position]) for position in sorted(places)]


def pseudonym(labeler_id: int, salt: UUID) -> str:
    """The same labeler has the same one throughout an export, and another in the next."""
    digest = hashlib.blake2b(str(labeler_id).encode(), key=salt.bytes, digest_size=6)
    return f"labeler-{digest.hexdigest()}"


def _narrowed(groups: Iterator[dict[str, Any]], wanted: Wanted) -> Iterator[dict[str, Any] | None]:
    for group in groups:
        found = wanted.of(group)
        yield None if found is None else dict(found)


def _named_anew(
    found: QuerySet[Triple], salt: UUID, kept: Container[int] | None, *, whole: bool
) -> Iterator[dict[str, Any] | None]:
    named = lambda pk, _name: pseudonym(pk, salt)  # noqa: E731
    return iter(triple_rows(found, named, kept=kept, whole=whole))


def _kept(project: Project, wanted: Wanted) -> set[int] | None:
    """The rankings that agreement and ties leave; None: they leave all."""
    if wanted.agreement is None and wanted.ties:
        return None
    chosen = wanted_rankings(project, wanted).order_by("group_id", "labeler_id")
    read = chosen.values_list("group_id", "pk", "ranks", "compared").iterator(chunk_size=2000)
    each = replace(wanted, judgments="each")
    kept: set[int] = set()
    for _group, rows in groupby(read, key=itemgetter(0)):
        rankings = [
            {"id": pk, "ranks": ranks if compared is None else [*ranks, None]}
            for _pk, pk, ranks, compared in rows
        ]
        group = each.of({"rankings": rankings})
        kept |= {ranking["id"] for ranking in group["rankings"]} if group else set()
    return kept
