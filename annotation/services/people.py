"""Who takes part in a project."""

import secrets
import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from annotation.models import Membership, Project, User
from annotation.selectors.projects import may_reset_password
from annotation.services.assignments import give_back
from annotation.services.projects import set_member

# Without letters and digits that are taken for one another when read aloud or copied by hand.
PASSWORD_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 (an alphabet)
SENT_TWICE = timedelta(minutes=1)


class PersonRefused(Exception):
    """A sentence that says why nothing was changed."""


def add_member(project: Project, username: str, role: str) -> Membership:
    """Adds a user who exists. Sent twice, it is done once.

    Raises PersonRefused when there is none or they are in already, as something else.
    """
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise PersonRefused(
            _("Nobody is called “%(name)s”: check the spelling, or make an account below.")
            % {"name": username}
        )
    if project.memberships.filter(user=user).exclude(role=role).exists():
        raise PersonRefused(_("%(name)s is a member already.") % {"name": username})
    return set_member(project, user, role)


@transaction.atomic
def create_labeler(project: Project, username: str, key: uuid.UUID) -> str:
    """A new account that may rank in the project; returns its password, which is kept nowhere.

    `key` is the idempotency key: sent twice, the account is made once and answered the same.
    Raises PersonRefused for a name that is taken or reads like one that is.
    """
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)  # one sending at a time
    user = User(username=User.normalize_username(username), must_change_password=True)
    password = _password_under(key, user.username)
    just_made = project.members.filter(date_joined__gte=timezone.now() - SENT_TWICE)
    same = just_made.filter(username=user.username).first()
    if same is not None and same.check_password(password):
        return password
    user.set_password(password)
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
    password = _spelled(secrets.choice(PASSWORD_ALPHABET) for _i in range(16))
    user.set_password(password)
    user.must_change_password = True
    user.save()
    return password


def change_password(user: User, password: str) -> None:
    """To the one that the user chose."""
    user.set_password(password)
    user.must_change_password = False
    user.save()


def _password_under(key: uuid.UUID, username: str) -> str:
    """As good as random for whoever knows not both the key and this installation's secret."""
    digest = salted_hmac("annotation.services.people", f"{key} {username}", algorithm="sha256")
    return _spelled(
        PASSWORD_ALPHABET[byte % len(PASSWORD_ALPHABET)] for byte in digest.digest()[:16]
    )


def _spelled(letters: Iterable[str]) -> str:
    """Sixteen letters in groups of four, to be read aloud."""
    whole = "".join(letters)
    return "-".join(whole[start : start + 4] for start in range(0, len(whole), 4))


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
