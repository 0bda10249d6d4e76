"""Where everybody lands."""

from django.http import HttpResponse
from django.shortcuts import render

from annotation.selectors.desks import desks_of
from annotation.selectors.projects import may_create_projects
from annotation.views.requests import Request


def home(request: Request) -> HttpResponse:
    return render(
        request,
        "home.html",
        {"desks": desks_of(request.user), "may_create": may_create_projects(request.user)},
    )
