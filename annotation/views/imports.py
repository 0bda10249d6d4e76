"""A file is read, looked at, added, and undone: one page that says where it stands."""

from contextlib import suppress

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from annotation.exchange.wording import Unreadable
from annotation.forms import AddForm, ColumnsForm, ImportForm, SavedForm
from annotation.models import Project, PromptUpload, SavedMapping
from annotation.selectors.previews import preview_of
from annotation.selectors.uploads import imports_of
from annotation.services.imports import (
    TO_BE_NAMED,
    ImportRefused,
    begin_to_add,
    give_up,
    undo_import,
)
from annotation.services.mappings import (
    delete_saved,
    name_columns,
    read_as_recognised,
    use_saved,
)
from annotation.services.uploads import receive_file, work_on_upload
from annotation.views.access import project_for_admin
from annotation.views.requests import Request, takes_upload

Status = PromptUpload.Status
# What is no longer is done at once, so that the next page has the result.
SHORT = 1_000_000  # bytes of a file
FEW = 500  # of what is taken back


@takes_upload
def imports(request: Request, slug: str) -> HttpResponse:
    return _imports(request, project_for_admin(request.user, slug))


@csrf_protect
def _imports(request: Request, project: Project) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_valid():
        try:
            uploads = receive_file(project, request.user, **form.cleaned_data)
        except Unreadable as problem:
            form.add_error("file", problem.worded(_))
        else:
            return _received(request, project, uploads)
    context = {"project": project, "section": "imports", "form": form}
    return render(request, "annotation/imports.html", context | {"uploads": imports_of(project)})


def _received(request: Request, project: Project, uploads: list[PromptUpload]) -> HttpResponse:
    for upload in uploads:
        _begin(upload)
    if len(uploads) == 1:
        return redirect("import", project.slug, uploads[0].pk)
    text = ngettext(
        "%d file was found in it: look at each, and add it.",
        "%d files were found in it: look at each, and add it.",
        len(uploads),
    )
    messages.info(request, text % len(uploads))
    return redirect("imports", project.slug)


def one(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    return _page(request, project, _upload(project, pk))


def _upload(project: Project, pk: int) -> PromptUpload:
    return get_object_or_404(project.uploads.filter(with_preview=True), pk=pk)


def _page(
    request: Request,
    project: Project,
    upload: PromptUpload,
    add: AddForm | None = None,
    columns: ColumnsForm | None = None,
    saved: SavedForm | None = None,
) -> HttpResponse:
    context = {"project": project, "section": "imports", "upload": upload}
    if request.htmx:
        return render(request, "annotation/_import_state.html", context)
    if upload.status in TO_BE_NAMED:
        first = request.GET.get("problems", "")
        first_problem = int(first[:9]) if first.isdecimal() else 0
        context |= {
            "columns": columns or _columns_form(upload),
            "saved": saved or SavedForm(project),
            "saved_ones": project.saved_mappings.exists(),
            "add": add or AddForm(),
            "preview": preview_of(upload, first_problem),
        }
    return render(request, "annotation/import.html", context)


def _columns_form(upload: PromptUpload, data: object = None) -> ColumnsForm:
    report = upload.report
    columns = dict(report["columns"])
    mapping = upload.named or {}
    meanings = dict(mapping.get("columns") or report.get("guess", ()))
    initial = {f"column{n}": meanings.get(name, "") for n, name in enumerate(columns)}
    named = ColumnsForm.NAMED if report.get("has_header", True) else ColumnsForm.UNNAMED
    named = named if columns else ColumnsForm.LINES
    counts_from = mapping.get("counts_from", report.get("counts_from"))
    initial |= {"first_row": named, "counts_from": "" if counts_from is None else counts_from}
    return ColumnsForm(columns, bool(report.get("delimiter")), data, initial=initial)


@require_POST
def columns(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    upload = _upload(project, pk)
    if upload.status not in TO_BE_NAMED:
        return redirect("import", slug, pk)
    form = _columns_form(upload, request.POST)
    if form.is_valid():
        try:
            name_columns(upload, form.mapping(), form.cleaned_data.get("save_as", ""))
        except ImportRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            _begin(upload)
            return redirect("import", slug, pk)
    return _page(request, project, upload, columns=form)


@require_POST
def saved(request: Request, slug: str, pk: int) -> HttpResponse:
    """Reads the file by what was saved, or as it is recognised; or forgets what was saved."""
    project = project_for_admin(request.user, slug)
    upload = _upload(project, pk)
    form = SavedForm(project, request.POST)
    if not form.is_valid() or upload.status not in TO_BE_NAMED:
        return redirect("import", slug, pk)
    chosen: SavedMapping | None = form.cleaned_data["saved"]
    try:
        if "delete" in request.POST:
            if chosen is not None:
                delete_saved(project, chosen.pk)
        elif chosen is None:
            read_as_recognised(upload)
        else:
            use_saved(upload, chosen)
    except ImportRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, project, upload, saved=form)
    _begin(upload)
    return redirect("import", slug, pk)


def _begin(upload: PromptUpload) -> None:
    """What takes no time is done before the next page; a worker has been asked for the rest."""
    with suppress(FileNotFoundError):
        if upload.file.stat().st_size <= SHORT:
            work_on_upload(upload.pk)


@require_POST
def add(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    upload = _upload(project, pk)
    form = AddForm(request.POST)
    if upload.status == Status.WAITING and form.is_valid():
        try:
            begin_to_add(upload, **form.cleaned_data)
        except ImportRefused as refusal:
            form.add_error("leaves_out", str(refusal))
        else:
            _begin(upload)
    if upload.status == Status.WAITING and form.errors:
        return _page(request, project, upload, add=form)
    return redirect("import", slug, pk)


@require_POST
def cancel(request: Request, slug: str, pk: int) -> HttpResponse:
    """Before anything was added it is given up; later, what was added is taken back."""
    project = project_for_admin(request.user, slug)
    upload = _upload(project, pk)
    if give_up(upload):
        messages.info(request, _("The import is cancelled; nothing was added."))
        return redirect("imports", slug)
    return _undone(request, upload)


@require_POST
def undo(request: Request, slug: str, pk: int) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    return _undone(request, _upload(project, pk))


def _undone(request: Request, upload: PromptUpload) -> HttpResponse:
    try:
        undo_import(upload)
    except ImportRefused as refusal:
        messages.error(request, str(refusal))
    else:
        if upload.prompts + upload.added <= FEW:
            work_on_upload(upload.pk)
    return redirect("import", upload.project.slug, upload.pk)
