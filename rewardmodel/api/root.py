"""The API whole: its routes, and what is said where something is wrong."""

from pathlib import Path
from typing import Any

import ninja
from csp.decorators import csp_update
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from annotation.api.imports import UPLOADING as IMPORTING
from annotation.api.imports import router as imports
from annotation.api.problems import CONTENT_TYPE, Problem, problem_response
from annotation.api.routes import router
from annotation.exchange.files import is_disk_full
from annotation.views.errors import INSUFFICIENT_STORAGE
from config import limits
from rewardmodel.api.learning import router as learning
from rewardmodel.api.snapshots import UPLOADING
from rewardmodel.api.snapshots import router as snapshots

FOLDER = Path(ninja.__file__).parent / "static" / "ninja"
PROBLEM = {
    "description": "What is wrong, in words (RFC 9457).",
    "content": {CONTENT_TYPE: {"schema": {"type": "object", "required": ["status", "detail"]}}},
}
DISK_FULL = "The server's disk is full: nothing was kept. Its administrator has to make room."
ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js")

api = NinjaAPI(
    title="Laoshi",
    version="1",
    description="Send a token with each request: `Authorization: Bearer laoshi_...`. Errors are "
    "problem documents (RFC 9457).",
    docs_url=None,
    openapi_url=None,
)
api.add_router("", router)
api.add_router("", snapshots)
api.add_router("", imports)
api.add_router("", learning)


urls = api.urls
for path in urls[0]:
    if isinstance(path, URLPattern) and path.name in (IMPORTING, UPLOADING):
        setattr(path.callback, "largest_body", limits.UPLOAD)  # noqa: B010


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, problem: Problem) -> HttpResponse:
    return problem_response(problem)


@api.exception_handler(HttpError)
def on_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Such as a body that is no JSON."""
    return problem_response(Problem(error.status_code, "Not usable", str(error)))


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors: list[Any] = error.errors
    first = errors[0] if errors else {"loc": (), "msg": "not valid"}
    where = ".".join(map(str, first["loc"][1:]))
    return problem_response(
        Problem(
            422,
            "Not valid",
            f"{where}: {first['msg']}",
            errors=[
                {"where": ".".join(map(str, each["loc"])), "what": each["msg"]} for each in errors
            ],
        )
    )


@api.exception_handler(OSError)
def on_broken_file(request: HttpRequest, error: OSError) -> HttpResponse:
    """A disk that is full is no fault of the code."""
    if not is_disk_full(error):
        raise error
    return problem_response(Problem(INSUFFICIENT_STORAGE, "No room", DISK_FULL))


def document() -> dict[str, Any]:
    """OpenAPI 3.1."""
    schema = api.get_openapi_schema(path_prefix="/api/v1/")
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for methods in schema["paths"].values():
        for operation in methods.values():
            operation["responses"].setdefault("4XX", PROBLEM)
    return {**schema, "security": [{"token": []}]}


def description(request: HttpRequest) -> JsonResponse:
    """For whoever is logged in."""
    return JsonResponse(document())


def asset(request: HttpRequest, name: str) -> FileResponse:
    """A part of Swagger UI, which comes with django-ninja. Behind the login, not among the static
    files: it is larger than what the server keeps for a client that does not read."""
    if name not in ASSETS:
        raise Http404
    return FileResponse((FOLDER / name).open("rb"))


@csp_update({"img-src": ["data:"]})  # its icons
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "api_docs.html")
