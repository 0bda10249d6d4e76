"""Of an archived project nothing is changed."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from annotation.api.access import ROOT
from annotation.middleware import Middleware
from annotation.selectors.projects import project_of
from annotation.views.requests import is_script

READING = {"GET", "HEAD", "OPTIONS"}
OPEN = {
    *("project_restore", "project_delete", "project_copy"),
    *("exports", "export_cancel", "export_delete"),
    *("merged", "merged_cancel", "merged_delete"),
}
AT_DESK = {
    *("rank", "give_back", "skip", "flag", "draft", "ahead", "undo", "mine", "revise"),
    *("write", "rewrite", "write_draft"),
}
"""Pages that let nobody into an archived project themselves: no label costs a query more."""


class ArchivedMiddleware(Middleware):
    """Its pages can be read; whoever sends a form to one is told what to do first."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        is_open = match is None or match.url_name in OPEN | AT_DESK
        if request.method in READING or is_open or "slug" not in kwargs:
            return None
        if request.path.startswith(ROOT) or not request.user.is_authenticated:
            return None  # a program is told in the API's own words
        project = project_of(request.user, kwargs["slug"])
        if project is None or project.archived_at is None:
            return None
        said = _("The project is archived: put it back first.")
        if is_script(request):
            return HttpResponse(said, status=409, content_type="text/plain; charset=utf-8")
        messages.error(request, said)
        return redirect("project", project.slug)
