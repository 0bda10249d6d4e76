"""Logging in, and the appearance that a browser asked for."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from annotation.models import User
from annotation.services.assignments import give_back_ahead
from annotation.views.requests import on_this_site


@method_decorator(login_not_required, name="dispatch")
class Login(LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A page that polls and lost its session loads anew, so that it comes back after login."""
        if request.headers.get("HX-Request"):
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The name is kept: what is to be typed again is the password."""
        del form.fields["username"].widget.attrs["autofocus"]
        form.fields["password"].widget.attrs["autofocus"] = True
        return super().form_invalid(form)


class Logout(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            give_back_ahead(request.user)
        return super().post(request, *args, **kwargs)


@login_not_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keeps "light" or "dark" in a cookie; anything else follows the system again."""
    response = HttpResponseRedirect(on_this_site(request, request.POST.get("next", "")))
    theme = request.POST.get("theme")
    if theme in {"light", "dark"}:
        response.set_cookie(
            "theme",
            theme,
            max_age=settings.YEAR_IN_SECONDS,
            samesite="Lax",
            secure=request.is_secure(),
        )
    else:
        response.delete_cookie("theme")
    return response
