"""Prompts, groups with their rankings, exports."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Status

from annotation.api import schemas
from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.exchange.prompts import NewPrompt, check_messages
from annotation.exchange.shapes.item import Candidate
from annotation.exchange.tags import holding
from annotation.exchange.wording import Unreadable
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.models import Export, Project
from annotation.models.job import FileJob
from annotation.selectors.exports import native_groups
from annotation.selectors.projects import administered_projects, at_work
from annotation.selectors.rankings import current_rankings
from annotation.services.answered import add_answered_group
from annotation.services.exports import ask_for_export
from annotation.services.jobs import link_token
from annotation.services.prompts import add_prompts
from annotation.views.exports import send_export

router = Router()
MOST = 200  # rows a page
Limit: int = Query(50, ge=1, le=MOST)  # type: ignore[type-arg]
After: int = Query(0, ge=0, le=2**63 - 1)  # type: ignore[type-arg]


@router.get("/projects", response=schemas.ProjectPage, tags=["projects"])
def projects(request: Any, after: int = After, limit: int = Limit) -> Any:
    """Those that the token's user runs, oldest first."""
    found = at_work(administered_projects(request.token.user)).filter(pk__gt=after).order_by("pk")
    only = request.token.project_id
    if only is not None:
        found = found.filter(pk=only)
    return page(list(found[: limit + 1]), limit)


@router.get("/projects/{slug}/prompts", response=schemas.PromptPage, tags=["prompts"])
def prompts(
    request: Any, slug: str, after: int = After, limit: int = Limit, tag: schemas.Tag = ""
) -> Any:
    """Oldest first; those with a tag, if one is named."""
    found = project_for(request, slug).prompts.filter(pk__gt=after).order_by("pk")
    if tag:
        found = found.filter(tag_words__contains=holding(tag))
    return page(list(found[: limit + 1]), limit)


@router.post("/projects/{slug}/prompts", response=schemas.Added, tags=["prompts"])
def create_prompts(request: Any, slug: str, given: schemas.PromptsIn) -> Any:
    """All or none; those that are there already are counted, not doubled."""
    project = project_for(request, slug, to_write=True)
    rows = []
    for number, each in enumerate(given.prompts):
        messages = messages_of(each.prompt, f"prompts[{number}]")
        rows.append(NewPrompt(messages, each.lang, each.answers, tuple(each.tags)))
    added = add_prompts(project, rows)
    return {"added": added, "known": len(rows) - added}


@router.post(
    "/projects/{slug}/groups",
    response={200: schemas.GroupCreated, 201: schemas.GroupCreated},
    tags=["groups"],
)
def create_group(request: Any, slug: str, given: schemas.GroupIn) -> Any:
    """Answers of yours for people to rank. Sent twice, it is there once (200)."""
    project = project_for(request, slug, to_write=True)
    messages = messages_of(given.prompt, "prompt")
    answers = [Candidate(each.text, each.author) for each in given.answers]
    try:
        group, is_new = add_answered_group(project, messages, answers, given.lang)
    except Unreadable as problem:
        raise Problem(422, "Not usable", str(problem)) from problem
    return Status(201 if is_new else 200, {"id": group.pk, "status": group.status})


@router.get("/projects/{slug}/groups/{pk}", response=schemas.GroupOut, tags=["groups"])
def group(request: Any, slug: str, pk: int) -> Any:
    """One group with what was said of it so far, as docs/formats.md describes its native row."""
    project = project_for(request, slug)
    found = project.groups.filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no group {pk}.")
    rankings = current_rankings(project).filter(group=found)
    row = next(native_groups(project, rankings, salt_of(request)), {})
    return {
        "id": found.pk,
        "status": found.status,
        "rankings_wanted": project.overlap,
        "group": row,
    }


@router.get("/projects/{slug}/groups", response=schemas.GroupPage, tags=["groups"])
def groups(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Ranked ones, oldest first, as native rows."""
    project = project_for(request, slug)
    ranked = current_rankings(project).filter(group__gt=after).order_by("group")
    keys = list(ranked.values_list("group", flat=True).distinct()[: limit + 1])
    shown = current_rankings(project).filter(group__in=keys[:limit])
    rows = list(native_groups(project, shown, salt_of(request)))
    return {"items": rows, "next": keys[limit - 1] if len(keys) > limit else None}


@router.get("/projects/{slug}/exports", response=schemas.ExportPage, tags=["exports"])
def exports(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Oldest first."""
    found = project_for(request, slug).exports.filter(pk__gt=after).order_by("pk")
    shown_page = page(list(found[: limit + 1]), limit)
    return {**shown_page, "items": [shown(request, each) for each in shown_page["items"]]}


@router.post("/projects/{slug}/exports", response={202: schemas.ExportOut}, tags=["exports"])
def create_export(request: Any, slug: str, given: schemas.ExportIn) -> Any:
    """A worker makes the file: ask for its state until `status` is `done`."""
    project = project_for(request, slug, to_write=True)
    if given.format not in FORMATS:
        names = ", ".join(FORMATS)
        raise Problem(422, "Not usable", f"There is no format {given.format!r}: {names}.")
    asked = given.model_dump(exclude={"format"})
    export = ask_for_export(project, request.token.user, FORMATS[given.format], Wanted(**asked))
    return Status(202, shown(request, export))


@router.get("/projects/{slug}/exports/{pk}", response=schemas.ExportOut, tags=["exports"])
def export(request: Any, slug: str, pk: int) -> Any:
    return shown(request, found_export(project_for(request, slug), pk))


@router.get("/projects/{slug}/exports/{pk}/file", tags=["exports"])
def export_file(request: Any, slug: str, pk: int) -> Any:
    """The file itself, or with `Range` a part of it. `link` of the export opens it without a token,
    until it expires."""
    found = found_export(project_for(request, slug), pk)
    if not found.is_there:
        title = "Not there" if found.is_gone else "Not ready"
        raise Problem(409, title, found.problem_said or f"The export is {found.status}.")
    return send_export(request, found)


def found_export(project: Project, pk: int) -> Export:
    found = project.exports.filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no export {pk}.")
    return found


def shown(request: HttpRequest, export: Export) -> dict[str, Any]:
    fields = {name: getattr(export, name) for name in ("format", "rows", "left_out")}
    return {**shown_file(request, export, "export_link"), **fields}


def shown_file(request: HttpRequest, job: FileJob, opened_at: str) -> dict[str, Any]:
    """The fields of FileJobOut; `opened_at`: the name of the path of such links."""
    path = reverse(opened_at, args=[link_token(job)])
    link = request.build_absolute_uri(path) if job.is_there else None
    fields = {"size": job.size, "sha256": job.sha256, "link": link}
    return {**schemas.JobOut.fields_of(job), **fields}


def salt_of(request: Any) -> uuid.UUID:
    """The same labelers have the same pseudonyms for one token."""
    return uuid.UUID(request.token.sha256[:32])


def messages_of(prompt: str | list[schemas.MessageSchema], where: str) -> list[dict[str, str]]:
    """Raises Problem."""
    if isinstance(prompt, str):
        said = [{"role": "user", "content": prompt}]
    else:
        said = [message.model_dump() for message in prompt]
    try:
        return check_messages(said)
    except Unreadable as problem:
        raise Problem(422, "Not usable", f"{where}: {problem}") from problem


def page(rows: Sequence[Any], limit: int) -> dict[str, Any]:
    return {"items": rows[:limit], "next": rows[limit - 1].pk if len(rows) > limit else None}
