"""Who takes part in a project, and as what."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation.forms import GIVEN_ROLES, AddMemberForm, NewLabelerForm
from annotation.models import Project
from annotation.selectors.projects import is_membership, members_of, removable_members_of
from annotation.services.people import (
    PersonRefused,
    add_member,
    change_role,
    create_labeler,
    remove_member,
)
from annotation.views.access import project_for_admin
from annotation.views.requests import Request


@never_cache
def people(request: Request, slug: str) -> HttpResponse:
    project = project_for_admin(request.user, slug)
    add, new = AddMemberForm(prefix="add"), NewLabelerForm(prefix="new")
    if request.method == "POST" and "add" in request.POST:
        add = AddMemberForm(request.POST, prefix="add")
        if add.is_valid():
            try:
                member = add_member(project, **add.cleaned_data)
            except PersonRefused as refusal:
                add.add_error("username", str(refusal))
            else:
                messages.success(request, _("%(name)s was added.") % {"name": member.user})
                return redirect("people", slug)
    elif request.method == "POST":
        new = NewLabelerForm(request.POST, prefix="new")
        if new.is_valid():
            username = new.cleaned_data["username"]
            key = new.cleaned_data["key"] or uuid.uuid4()
            try:
                password = create_labeler(project, username, key)
            except PersonRefused as refusal:
                new.add_error("username", str(refusal))
            else:
                # Answered at once, not after a redirect: the password is stored nowhere.
                created = {"username": username, "password": password}
                return _page(request, project, add, NewLabelerForm(prefix="new"), created)
    return _page(request, project, add, new)


def _page(
    request: Request,
    project: Project,
    add: AddMemberForm,
    new: NewLabelerForm,
    created: dict[str, str] | None = None,
) -> HttpResponse:
    context = {
        "project": project,
        "section": "people",
        "members": members_of(project),
        "roles": GIVEN_ROLES,
        "add": add,
        "new": new,
        "created": created,
    }
    return render(request, "annotation/people.html", context)


@require_POST
def member(request: Request, slug: str, pk: int) -> HttpResponse:
    """Changes a member's role, or removes them."""
    project = project_for_admin(request.user, slug)
    if "remove" in request.POST and not is_membership(pk):
        return redirect("people", slug)  # sent twice
    membership = get_object_or_404(members_of(project), pk=pk)
    name = {"name": membership.user}
    try:
        if "remove" in request.POST:
            remove_member(membership)
            messages.success(request, _("%(name)s was removed. Their rankings stay.") % name)
        else:
            change_role(membership, request.POST.get("role", ""))
            messages.success(request, _("The role of %(name)s was changed.") % name)
    except PersonRefused as refusal:
        messages.error(request, str(refusal))
    return redirect("people", slug)


@require_GET
def remove(request: Request, slug: str, pk: int) -> HttpResponse:
    """Asks before somebody is removed."""
    project = project_for_admin(request.user, slug)
    membership = get_object_or_404(removable_members_of(project), pk=pk)
    context = {"project": project, "section": "people", "member": membership}
    return render(request, "annotation/remove_member.html", context)
