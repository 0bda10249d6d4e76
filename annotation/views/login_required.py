"""Where a session that ended under an open page leads."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _

from annotation.views.requests import is_script, on_this_site


class LoginRequired(LoginRequiredMiddleware):
    """Whoever sent a form comes back to the page that held it: its address may take forms only."""

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., Any]
    ) -> HttpResponseRedirect:
        if request.method in {"GET", "HEAD"}:
            return super().handle_no_permission(request, view_func)
        if not is_script(request):
            messages.warning(
                request,
                _("You were logged out meanwhile, so nothing was stored. Log in to go on."),
            )
        page = on_this_site(request, request.headers.get("Referer", ""))
        return redirect_to_login(page, resolve_url(self.get_login_url(view_func)))
