"""Projects and the people in them."""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction

from annotation.models import Membership, PolicyVersion, Project, User
from annotation.selectors.projects import made_just_now
from annotation.services.assignments import fit_assignments, lock_user


@transaction.atomic
def create_project(project: Project, owner: User) -> Project:
    """Saves a new project with its owner and its first policy: the base model itself.

    Sent twice at once, it is made once.
    """
    lock_user(owner)
    made = made_just_now(owner, project.name, project.slug)
    if made is not None:
        return made
    project.save()
    Membership.objects.create(project=project, user=owner, role=Membership.Role.OWNER)
    PolicyVersion.objects.create(
        project=project,
        number=0,
        status=PolicyVersion.Status.CHAMPION,
        base_model=project.policy_model or settings.POLICY_MODEL,
    )
    return project


@transaction.atomic
def change_project(project: Project, changed: Collection[str]) -> None:
    """Saves what a form may set of the project, and nothing else, as it may have been read long
    ago; `changed` names the settings that are others than before."""
    fields = Project._meta.concrete_fields
    project.save(
        update_fields=[field.name for field in fields if field.editable and not field.primary_key]
    )
    if "overlap" in changed:
        fit_assignments(project)


def set_member(project: Project, user: User, role: str) -> Membership:
    membership, _ = Membership.objects.update_or_create(
        project=project, user=user, defaults={"role": role}
    )
    return membership
