"""Webhooks: where a project's events are sent, and what became of each."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from annotation.forms.webhooks import ChangeForm, WebhookForm
from annotation.models import Webhook
from annotation.selectors.pages import page_of
from annotation.selectors.webhooks import deliveries_of, webhooks_of
from annotation.services import webhooks as service
from annotation.views.access import project_for_admin
from annotation.views.requests import Request


def webhooks(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    form = WebhookForm(request.POST if request.method == "POST" else None)
    made = None
    if form.is_valid():
        said = form.cleaned_data
        made = service.make_webhook(project, request.user, said["url"], said["events"])
        form = WebhookForm()
    context = {
        "project": project,
        "section": "webhooks",
        "form": form,
        "made": made,
        "webhooks": webhooks_of(project),
    }
    return render(request, "annotation/webhooks.html", context)


def webhook(request: Request, slug: str, pk: int) -> HttpResponse:
    """One, with the log of what it was sent."""
    return _page(request, _webhook(request, slug, pk))


def _page(request: Request, found: Webhook, secret: str = "") -> HttpResponse:
    """`secret`: one that was made just now."""
    stored = {"url": found.url, "events": found.events, "is_active": found.is_active}
    is_sent = request.method == "POST" and not secret
    form = ChangeForm(request.POST if is_sent else None, initial=stored)
    if form.is_valid():
        said = form.cleaned_data
        active = said["is_active"]
        service.change_webhook(found, said["url"], said["events"], is_active=active)
        messages.success(request, _("Saved."))
        return redirect("webhook", found.project.slug, found.pk)
    context = {
        "project": found.project,
        "section": "webhooks",
        "webhook": found,
        "secret": secret,
        "form": form,
        "page": page_of(deliveries_of(found), request.GET.get("before", "")),
    }
    return render(request, "annotation/webhook.html", context)


@require_POST
def renew(request: Request, slug: str, pk: int) -> HttpResponse:
    secret = service.renew_secret(_webhook(request, slug, pk))
    return _page(request, _webhook(request, slug, pk), secret)


@require_POST
def test(request: Request, slug: str, pk: int) -> HttpResponse:
    service.send_test(_webhook(request, slug, pk))
    messages.info(request, _("A test is under way: look at the log in a few seconds."))
    return redirect("webhook", slug, pk)


@require_POST
def again(request: Request, slug: str, pk: int, delivery: int) -> HttpResponse:
    found = _webhook(request, slug, pk)
    service.send_again(get_object_or_404(deliveries_of(found), pk=delivery))
    messages.info(request, _("It is sent again: look at the log in a few seconds."))
    return redirect("webhook", slug, pk)


@require_POST
def delete(request: Request, slug: str, pk: int) -> HttpResponse:
    service.delete_webhook(_webhook(request, slug, pk))
    messages.info(
        request, _("The webhook and its log are deleted: nothing is sent there any more.")
    )
    return redirect("webhooks", slug)


def _webhook(request: Request, slug: str, pk: int) -> Webhook:
    project = project_for_admin(request.user, slug)
    found = get_object_or_404(webhooks_of(project), pk=pk)
    found.project = project  # which knows the user's role
    return found
