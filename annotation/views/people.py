"""Who takes part in a project, and as what."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
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
    reset_password,
)
from annotation.views.access import project_for_admin
from annotation.views.requests import Request


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
                made = {"name": username, "password": password, "is_new": True}
                return _page(request, project, made=made)
    return _page(request, project, add, new)


def _page(
    request: Request,
    project: Project,
    add: AddMemberForm | None = None,
    new: NewLabelerForm | None = None,
    made: dict[str, Any] | None = None,
) -> HttpResponse:
    """`made` is a password that was just made, with whose it is."""
    context = {
        "project": project,
        "section": "people",
        "members": members_of(project),
        "roles": GIVEN_ROLES,
        "add": add or AddMemberForm(prefix="add"),
        "new": new or NewLabelerForm(prefix="new"),
        "made": made,
    }
    return render(request, "annotation/people.html", context)


@require_POST
def member(request: Request, slug: str, pk: int) -> HttpResponse:
    """Changes a member's role, gives them a new password, or removes them."""
    project = project_for_admin(request.user, slug)
    if "remove" in request.POST and not is_membership(pk):
        return redirect("people", slug)  # sent twice
    membership = get_object_or_404(members_of(project), pk=pk)
    name = {"name": membership.user}
    try:
        if "remove" in request.POST:
            remove_member(membership)
            messages.success(request, _("%(name)s was removed. Their rankings stay.") % name)
        elif "password" in request.POST:
            password = reset_password(request.user, membership.user)
            return _page(request, project, made={**name, "password": password})
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
