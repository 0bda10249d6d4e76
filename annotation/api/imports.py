"""Files with a preview, for programs: sent, looked at, added, taken back."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.utils.translation import gettext as _
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import AfterValidator, Field, WithJsonSchema

from annotation.api.access import project_for
from annotation.api.problems import Problem
from annotation.api.routes import After, Limit, page
from annotation.api.schemas import Language, Page, Source, Text, storable
from annotation.exchange.reading.mapping import MEANINGS, Mapping, mapping_of
from annotation.exchange.wording import Unreadable
from annotation.models import Project, PromptUpload, SavedMapping
from annotation.selectors.previews import preview_of
from annotation.services.imports import (
    ImportRefused,
    begin_to_add,
    give_up,
    undo_import,
)
from annotation.services.mappings import name_columns, use_saved
from annotation.services.uploads import receive_file

router = Router(tags=["imports"])
UPLOADING = "api_imports"
"""The name of the path that takes files."""
Sent: UploadedFile = File(...)  # type: ignore[type-arg]
Said: Language = Form("")  # type: ignore[type-arg]


def meaning(name: str) -> str:
    if name not in MEANINGS:
        raise ValueError(f"there is no meaning {name!r}: {', '.join(filter(None, MEANINGS))}")
    return name


LONGEST_CALLED = SavedMapping._meta.get_field("name").max_length
Called = Annotated[str, Field(max_length=LONGEST_CALLED), AfterValidator(storable)]
Meaning = Annotated[
    str, AfterValidator(meaning), WithJsonSchema({"type": "string", "enum": list(MEANINGS)})
]


class ImportOut(Schema):
    """`status`: `checking`, then `waiting` for `add`, `mapping` for `columns`, or `refused`; then
    `adding` and `done`."""

    id: int
    name: str
    status: str
    problem: str
    prompts: int
    added: int
    source: str
    licence: str
    created_at: datetime


class Received(ImportOut):
    """`others`: of an archive with several files of rows, the imports of all but the first."""

    others: list[ImportOut]


class RowProblem(Schema):
    row: int
    problem: str


class ImportPreview(ImportOut):
    """What was found before anything is added; `columns` with a guess of what each means, and
    `counts_from` with one of the number of the first answer. `dropped`: columns that are not taken,
    by name, and `more_dropped`: how many more there are."""

    shape: str
    counts: dict[str, int]
    columns: dict[str, str]
    counts_from: int | None
    dropped: list[str]
    more_dropped: int
    problems: list[RowProblem]


class ImportPage(Page):
    items: list[ImportOut]


class ColumnsIn(Schema):
    """The meaning of each column, as `manage.py import --column` has them; or `mapping`, the name
    of a saved one, which then says all of it. `counts_from`: the number of the first answer, where
    numbers say which is better; null: as the rows tell. `save_as`: a name to keep it under."""

    columns: dict[str, Meaning] = {}
    has_header: bool | None = None
    counts_from: Literal[0, 1] | None = None
    save_as: Called = ""
    mapping: Called = ""


class MappingOut(Schema):
    """What columns mean, saved under a name; "": the column is not taken."""

    id: int
    name: str
    columns: dict[str, str]
    has_header: bool | None
    counts_from: int | None


class MappingPage(Page):
    items: list[MappingOut]


class AddIn(Schema):
    """`has_consent`: those who wrote and judged it agreed, or its licence allows the use."""

    source: Source
    licence: Text
    has_consent: Literal[True]
    leaves_out: bool = False


@router.get("/projects/{slug}/imports", response=ImportPage, url_name=UPLOADING)
def imports(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """Oldest first."""
    found = of(project_for(request, slug)).filter(pk__gt=after).order_by("pk")
    return page([shown(each) for each in found[: limit + 1]], limit)


@router.post("/projects/{slug}/imports", response={202: Received}, url_name=UPLOADING)
def create_import(
    request: Any,
    slug: str,
    file: UploadedFile = Sent,
    language: Language = Said,
) -> Any:
    """A file of up to 32 MB in any known shape (docs/formats.md); a worker reads it, and nothing
    is added before `add`. Of a zip archive of a data set, each file of rows is an import of its
    own; all are kept, or none. `language` is that of rows which name none."""
    project = project_for(request, slug, to_write=True)
    file.name = storable_name(file.name or "")
    try:
        first, *others = receive_file(project, request.token.user, file, language)
    except Unreadable as problem:
        raise Problem(422, "Not usable", problem.worded(_)) from problem
    return Status(202, {**fields_of(first), "others": [fields_of(each) for each in others]})


@router.get("/projects/{slug}/mappings", response=MappingPage)
def mappings(request: Any, slug: str, after: int = After, limit: int = Limit) -> Any:
    """What columns mean, saved on the page of an import or with `save_as`; oldest first."""
    found = project_for(request, slug).saved_mappings.filter(pk__gt=after).order_by("pk")
    shown_page = page(list(found[: limit + 1]), limit)
    return {**shown_page, "items": [saved(each) for each in shown_page["items"]]}


@router.get("/projects/{slug}/imports/{pk}", response=ImportPreview)
def one_import(request: Any, slug: str, pk: int) -> Any:
    return previewed(found_import(project_for(request, slug), pk))


@router.post("/projects/{slug}/imports/{pk}/columns", response={202: ImportOut})
def columns(request: Any, slug: str, pk: int, given: ColumnsIn) -> Any:
    """Says what the columns of an unknown shape mean, or by which saved meaning they are read; the
    file is read again."""
    project = project_for(request, slug, to_write=True)
    upload = found_import(project, pk)
    if given.mapping and given.columns:
        raise Problem(
            422, "Not usable", "Send what the columns mean, or a saved meaning: not both."
        )
    if given.mapping:
        return changed(upload, use_saved, found_mapping(project, given.mapping))
    mapping = Mapping(given.columns, given.has_header, counts_from=given.counts_from)
    return changed(upload, name_columns, mapping, given.save_as)


@router.post("/projects/{slug}/imports/{pk}/add", response={202: ImportOut})
def add(request: Any, slug: str, pk: int, given: AddIn) -> Any:
    """Adds what was found."""
    upload = found_import(project_for(request, slug, to_write=True), pk)
    return changed(upload, begin_to_add, **given.model_dump())


@router.post("/projects/{slug}/imports/{pk}/undo", response={202: ImportOut})
def undo(request: Any, slug: str, pk: int) -> Any:
    """Gives it up, or has taken back all that it added."""
    upload = found_import(project_for(request, slug, to_write=True), pk)
    return changed(upload, lambda upload: give_up(upload) or undo_import(upload))


def of(project: Project) -> Any:
    return project.uploads.filter(with_preview=True)


def found_import(project: Project, pk: int) -> PromptUpload:
    found: PromptUpload | None = of(project).filter(pk=pk).first()
    if found is None:
        raise Problem(404, "Not found", f"There is no import {pk}.")
    return found


def found_mapping(project: Project, name: str) -> SavedMapping:
    found: SavedMapping | None = project.saved_mappings.filter(name=name).first()
    if found is None:
        raise Problem(422, "Not usable", f"There is no saved meaning of columns named {name!r}.")
    return found


def changed(upload: PromptUpload, change: Any, *given: Any, **named: Any) -> Status[Any]:
    """What became of it. Raises Problem where it is not at that point."""
    try:
        change(upload, *given, **named)
    except ImportRefused as refusal:
        raise Problem(409, "Not now", str(refusal)) from refusal
    upload.refresh_from_db()
    return Status(202, shown(upload))


def saved(kept: SavedMapping) -> dict[str, Any]:
    mapping = mapping_of(kept.mapping)
    said = {name: getattr(mapping, name) for name in ("columns", "has_header", "counts_from")}
    return {"id": kept.pk, "name": kept.name, **said}


def storable_name(name: str) -> str:
    return name.replace("\0", "").encode("utf-8", "replace").decode()


def shown(upload: PromptUpload) -> PromptUpload:
    upload.problem = upload.problem_said
    return upload


def fields_of(upload: PromptUpload) -> dict[str, Any]:
    return {name: getattr(shown(upload), name) for name in ImportOut.model_fields}


def previewed(upload: PromptUpload) -> dict[str, Any]:
    report, preview = upload.report, preview_of(upload)
    guess = dict(report.get("guess", ()))
    return {
        **fields_of(upload),
        "shape": report.get("shape", ""),
        "counts": report.get("counts", {}),
        "columns": {name: guess.get(name, "") for name, _example in report.get("columns", ())},
        "counts_from": report.get("counts_from"),
        "dropped": preview.dropped,
        "more_dropped": preview.more_dropped,
        "problems": [{"row": row, "problem": problem} for row, problem in preview.problems],
    }
