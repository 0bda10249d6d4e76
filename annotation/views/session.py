"""Logging in, and the appearance that a browser asked for."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import (
    LoginView,
    LogoutView,
    PasswordChangeView,
    redirect_to_login,
)
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django.views.generic import FormView
from django_htmx.http import HttpResponseClientRefresh

from annotation.forms import ChosenPasswordForm
from annotation.models import User
from annotation.services.assignments import give_back_ahead
from annotation.services.login import Attempt, TooManyAttempts
from annotation.services.people import change_password
from annotation.views.requests import Request, client_network, on_this_site

BROWSER_MARK = "browser_mark"


class PasswordAttempt(FormView):  # type: ignore[type-arg]
    """A form with a password that is looked at only as often as `services/login.py` lets it."""

    attempt: Attempt

    def account(self) -> str:
        raise NotImplementedError

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        mark = request.COOKIES.get(BROWSER_MARK, "")
        self.attempt = Attempt(self.account(), client_network(request), mark)
        try:
            self.attempt.begin()
        except TooManyAttempts as refusal:
            return self.refused(refusal.seconds)
        return super().post(request, *args, **kwargs)

    def refused(self, seconds: int) -> HttpResponse:
        """The form again, empty but for the name."""
        empty = {"data": None, "files": None, "initial": {"username": self.account()}}
        form = self.get_form_class()(**{**self.get_form_kwargs(), **empty})
        context = self.get_context_data(form=form, is_braked=True)
        return self.render_to_response(context, status=429, headers={"Retry-After": str(seconds)})


@method_decorator(login_not_required, name="dispatch")
class Login(PasswordAttempt, LoginView):
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A page that polls and lost its session loads anew, so that it comes back after login."""
        if request.headers.get("HX-Request"):
            return HttpResponseClientRefresh()
        return super().dispatch(request, *args, **kwargs)

    def account(self) -> str:
        return self.request.POST.get("username", "")

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        self.attempt.succeed()
        response = super().form_valid(form)
        response.set_cookie(
            BROWSER_MARK,
            self.attempt.browser_mark,
            max_age=settings.YEAR_IN_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """The name is kept: what is to be typed again is the password."""
        self.attempt.fail()
        del form.fields["username"].widget.attrs["autofocus"]
        form.fields["password"].widget.attrs["autofocus"] = True
        return super().form_invalid(form)


class Password(PasswordAttempt, PasswordChangeView):
    """Changes one's own; the present one is not asked for when it was just made by another."""

    template_name = "registration/password.html"
    request: Request

    def account(self) -> str:
        return self.request.user.username

    def get_form_class(self) -> "type[SetPasswordForm[User]]":
        return ChosenPasswordForm if self.request.user.must_change_password else PasswordChangeForm

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        self.attempt.succeed()
        change_password(self.request.user, form.cleaned_data["new_password1"])
        update_session_auth_hash(self.request, self.request.user)
        messages.success(self.request, _("Your password was changed."))
        return redirect("home")

    def form_invalid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        if "old_password" in form.errors:
            self.attempt.fail()
        else:
            self.attempt.succeed()
        return super().form_invalid(form)


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """Django's admin has no login of its own: there is one, and it is braked."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", reverse("admin:index")))


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
