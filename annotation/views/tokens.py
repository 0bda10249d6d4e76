"""A user's tokens for programs."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from annotation.models import ApiToken, Project, User
from annotation.selectors.projects import administered_projects, at_work
from annotation.services.tokens import make_token
from annotation.views.requests import Request

MOST_DAYS = 366


class TokenForm(forms.Form):
    name = forms.CharField(
        label=gettext_lazy("What for"),
        max_length=100,
        help_text=gettext_lazy("What will use it, so that you know which to revoke."),
    )
    scope = forms.ChoiceField(label=gettext_lazy("Scope"), choices=ApiToken.Scope.choices)
    project = forms.ModelChoiceField(
        Project.objects.none(),
        label=gettext_lazy("Project"),
        required=False,
        empty_label=gettext_lazy("all that I run"),
    )
    days = forms.IntegerField(
        label=gettext_lazy("Days until it expires"), min_value=1, max_value=MOST_DAYS, initial=90
    )

    def __init__(self, user: User, *given: Any) -> None:
        super().__init__(*given)
        self.fields["project"].queryset = at_work(administered_projects(user))  # type: ignore[attr-defined]


def tokens(request: Request) -> HttpResponse:
    form = TokenForm(request.user, request.POST if request.method == "POST" else None)
    secret = ""
    if form.is_valid():
        data = form.cleaned_data
        _token, secret = make_token(
            request.user,
            name=data["name"],
            scope=data["scope"],
            days=data["days"],
            project=data["project"],
        )
        form = TokenForm(request.user)
    context = {
        "form": form,
        "secret": secret,
        "tokens": request.user.tokens.select_related("project"),
        "address": request.build_absolute_uri("/api/v1/"),
    }
    return render(request, "tokens.html", context)


@require_POST
def revoke(request: Request, pk: int) -> HttpResponse:
    get_object_or_404(request.user.tokens, pk=pk).delete()
    messages.info(request, _("The token is revoked: nothing can use it any more."))
    return redirect("tokens")
