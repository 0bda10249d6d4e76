"""The type of request that a view gets behind the login."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from annotation.models import User


class Request(HttpRequest):
    """Of a user who is logged in: LoginRequiredMiddleware lets nobody else through."""

    user: User
    htmx: HtmxDetails
