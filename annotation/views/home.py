"""Where everybody lands."""

from django.http import HttpResponse
from django.shortcuts import render

from annotation.selectors.desks import desks_of
from annotation.selectors.projects import archived_projects, may_create_projects
from annotation.views.requests import Request


def home(request: Request) -> HttpResponse:
    return render(
        request,
        "home.html",
        {
            "desks": desks_of(request.user),
            "archived": archived_projects(request.user),
            "may_create": may_create_projects(request.user),
        },
    )
