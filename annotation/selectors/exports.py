"""Reading what is taken out, and the exports themselves."""

import hashlib
from collections.abc import Container, Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from annotation.exchange.tags import holding
from annotation.exchange.writing.formats import Source
from annotation.exchange.writing.native import SCHEMA, judgment_row
from annotation.exchange.writing.snapshot_rows import in_parts
from annotation.exchange.writing.wanted import Wanted
from annotation.models import (
    Export,
    Flag,
    Project,
    PromptGroup,
    Ranking,
    Skip,
    Triple,
)
from annotation.selectors.demonstrations import current_demonstrations, demonstration_rows
from annotation.selectors.rankings import (
    READ,
    WANTED,
    current_rankings,
    prompt_rows,
    prompts_in_use,
    with_answers,
)
from annotation.selectors.stored_judgments import prefetched_judgment
from annotation.selectors.triples import triple_rows, triples
from annotation.templatetags.text import letter

SHOWN = 20
# What is fetched with each group, as lists: a manager would make a query anew for each.
SKIPPED, REPORTED = "read_skips", "reports"
SOURCE = {
    "policy": "policy__number",
    "base_model": "policy__base_model",
    "sha256": "policy__sha256",
    "author": "author",
    "seed": "seed",
    "sampling": "sampling",
    "tokens": "token_count",
}
"""What a row says of where an answer is from, and the columns that hold it."""


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
        "given__gold": wanted.gold or None,
        **_days(wanted),
        **_asked_of_prompts(wanted, "group__prompt__"),
    }
    return {f"{of}{by}": value for by, value in asked.items() if value is not None}


def _asked_of_demonstrations(wanted: Wanted) -> dict[str, Any]:
    asked = {"author": wanted.labeler, **_days(wanted), **_asked_of_prompts(wanted, "prompt__")}
    return {by: value for by, value in asked.items() if value is not None}


def _days(wanted: Wanted) -> dict[str, Any]:
    return {"created_at__gte": wanted.since, "created_at__lt": wanted.until}


def _asked_of_prompts(wanted: Wanted, of: str = "") -> dict[str, Any]:
    asked = {
        "language": wanted.language,
        "split": wanted.split,
        "tag_words__contains": wanted.tag and holding(wanted.tag),
    }
    return {f"{of}{by}": value for by, value in asked.items() if value}


def rows_to_export(
    project: Project, source: Source, wanted: Wanted, salt: UUID, *, whole: bool = False
) -> tuple[int, Iterator[dict[str, Any] | None]]:
    """How many rows there are, or at most where `wanted.looks_at_orders`, and the rows; None where
    one is not wanted.

    `whole` is for whoever reads them to the end, within a transaction that ends with them.
    """
    if source == "prompts":
        prompts = prompts_in_use(project).filter(**_asked_of_prompts(wanted))
        return prompts.count(), prompt_rows(project, prompts)
    if source == "demonstrations":
        asked = _asked_of_demonstrations(wanted)
        written = current_demonstrations(project).filter(**asked)
        return written.count(), demonstration_rows(project, written)
    if source == "triples":
        found = triples(project).filter(**_asked(wanted, "ranking__")).order_by("id")
        return found.count(), _named_anew(found, salt, _kept(project, wanted), whole=whole)
    rankings = wanted_rankings(project, wanted)
    count = rankings.order_by().values("group_id").distinct().count()
    return count, _narrowed(native_groups(project, rankings, salt), wanted)


def native_groups(
    project: Project, rankings: QuerySet[Ranking], salt: UUID
) -> Iterator[dict[str, Any]]:
    """One native row for each group with any of these rankings, oldest first."""
    ordered = rankings.filter(group__project=project).order_by("labeler_id")
    more = (
        Prefetch("skips", Skip.objects.order_by("id"), SKIPPED),
        Prefetch("prompt__flags", Flag.objects.order_by("id"), REPORTED),
    )
    for group in with_answers(ordered, "text", "finish_reason", *SOURCE.values(), more=more):
        yield _native_group(group, salt)


def _native_group(group: PromptGroup, salt: UUID) -> dict[str, Any]:
    answers: list[list[Any]] = getattr(group, READ)
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
        "tags": group.prompt.tags,
        "prompt": group.messages,
        "system_prompt": group.system_prompt,
        "answers": [text for text, *_rest in answers],
        "finish_reasons": [reason for _text, reason, *_rest in answers],
        "sources": [_source(source) for _text, _reason, *source in answers],
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


def _source(source: list[Any]) -> dict[str, Any]:
    """What wrote an answer, and all that is needed to write it again."""
    found = dict(zip(SOURCE, source, strict=True))
    return {**found, **{name: found[name] or "" for name in ("base_model", "sha256")}}


def _native_ranking(ranking: Ranking, salt: UUID) -> dict[str, Any]:
    return {
        "labeler": pseudonym(ranking.labeler_id, salt),
        "revision": ranking.revision,
        **judgment_row(prefetched_judgment(ranking)),
        "shown_order": ranking.shown_order,
        "letters": _letters(ranking.shown_order),
        "given": ranking.given,
        "informed": ranking.is_informed,
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
    if not wanted.looks_at_orders:
        return None
    chosen = wanted_rankings(project, wanted).order_by("group_id", "labeler_id")
    columns = ("group_id", "pk", "ranks", "compared", "is_informed")
    read = chosen.values_list(*columns).iterator(chunk_size=2000)
    each = replace(wanted, judgments="each")
    kept: set[int] = set()
    for _group, rows in groupby(read, key=itemgetter(0)):
        rankings = [
            {"id": pk, "ranks": ranks if compared is None else [*ranks, None], "informed": informed}
            for _pk, pk, ranks, compared, informed in rows
        ]
        group = each.of({"rankings": rankings})
        kept |= {ranking["id"] for ranking in group["rankings"]} if group else set()
    return kept
