"""Who takes part in a project."""

import secrets

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from annotation.models import Membership, Project, User
from annotation.selectors.projects import may_reset_password
from annotation.services.assignments import give_back
from annotation.services.projects import set_member

# Without letters and digits that are taken for one another when read aloud or copied by hand.
PASSWORD_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 (an alphabet)


class PersonRefused(Exception):
    """A sentence that says why nothing was changed."""


def add_member(project: Project, username: str, role: str) -> Membership:
    """Adds a user who exists. Raises PersonRefused when there is none or they are in already."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise PersonRefused(
            _("Nobody is called “%(name)s”: check the spelling, or make an account below.")
            % {"name": username}
        )
    if project.memberships.filter(user=user).exists():
        raise PersonRefused(_("%(name)s is a member already.") % {"name": username})
    return set_member(project, user, role)


@transaction.atomic
def create_labeler(project: Project, username: str) -> str:
    """A new account that may rank in the project; returns its password, which is kept nowhere.

    Raises PersonRefused for a name that is taken or reads like one that is.
    """
    user = User(username=username)
    password = _set_one_time_password(user)
    try:
        user.full_clean()
    except ValidationError as error:
        raise PersonRefused(error.messages[0]) from error
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:  # another request was faster
        raise PersonRefused(User.taken(username)) from error
    set_member(project, user, Membership.Role.LABELER)
    return password


def reset_password(by: User, user: User) -> str:
    """A password for the user's next login, which is kept nowhere; their sessions end.

    Raises PersonRefused where the user may do more than whoever resets it.
    """
    if not may_reset_password(by, user):
        raise PersonRefused(
            _("%(name)s works in other projects, too, or runs one: ask an administrator.")
            % {"name": user}
        )
    password = _set_one_time_password(user)
    user.save()
    return password


def change_password(user: User, password: str) -> None:
    """To the one that the user chose."""
    user.set_password(password)
    user.must_change_password = False
    user.save()


def _set_one_time_password(user: User) -> str:
    groups = ("".join(secrets.choice(PASSWORD_ALPHABET) for _i in range(4)) for _g in range(4))
    password = "-".join(groups)
    user.set_password(password)
    user.must_change_password = True
    return password


@transaction.atomic
def change_role(membership: Membership, role: str) -> None:
    _check_not_owner(membership)
    if role not in {Membership.Role.ADMIN, Membership.Role.LABELER}:
        raise PersonRefused(_("Choose one of the roles."))
    set_member(membership.project, membership.user, role)


@transaction.atomic
def remove_member(membership: Membership) -> None:
    """Ends the membership and frees the group that the person holds; their rankings stay."""
    _check_not_owner(membership)
    give_back(membership.project, membership.user)
    membership.delete()


def _check_not_owner(membership: Membership) -> None:
    if membership.role == Membership.Role.OWNER:
        raise PersonRefused(_("The owner cannot be removed or given another role."))
