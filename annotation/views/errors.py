"""What is answered when something broke."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from annotation.exchange.files import is_disk_full

INSUFFICIENT_STORAGE = 507


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's page, or a word of its own for a disk that is full: that is no fault of the code."""
    problem = sys.exc_info()[1]
    if problem is not None and is_disk_full(problem):
        return HttpResponse(render_to_string("507.html"), status=INSUFFICIENT_STORAGE)
    return defaults.server_error(request)
