"""Which projects a user sees: permission is decided here, nowhere else."""

from datetime import timedelta
from pathlib import PurePosixPath

from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When
from django.utils import timezone

from annotation.models import Membership, Project, Ranking, User
from annotation.selectors.compiled import Compiled

Role = Membership.Role
ADMINS = (Role.OWNER, Role.ADMIN)


def projects_of(user: User) -> QuerySet[Project]:
    """The active and inactive projects that the user is a member of; superusers see all."""
    return Project.objects.all() if user.is_superuser else _joined_by(user)


def _joined_by(user: User | int) -> QuerySet[Project]:
    return Project.objects.filter(memberships__user=user)


def _kept() -> QuerySet[Project]:
    """Those that nobody asked to delete."""
    return Project.objects.filter(deletion_asked_at__isnull=True)


_named = Compiled(lambda slug: _kept().filter(slug=slug))
_joined_and_named = Compiled(
    lambda user, slug: (
        _kept().filter(memberships__user=user, slug=slug).annotate(own_role=F("memberships__role"))
    )
)


def project_of(user: User, slug: str) -> Project | None:
    """The project at this address, for anybody who ranks or runs it.

    `own_role`: a member's role in it; a superuser has none and needs none.
    """
    found = _named(slug) if user.is_superuser else _joined_and_named(user.pk, slug)
    return found[0] if found else None


def active_projects() -> QuerySet[Project]:
    """Those in which the loop runs."""
    return Project.objects.filter(is_active=True)


def is_admin(user: User, project: Project) -> bool:
    return user.is_superuser or project.memberships.filter(user=user, role__in=ADMINS).exists()


def is_owner(user: User, project: Project) -> bool:
    return user.is_superuser or project.memberships.filter(user=user, role=Role.OWNER).exists()


def at_work(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Those of them that are not archived."""
    return projects.filter(archived_at__isnull=True)


def archived_projects(user: User) -> QuerySet[Project]:
    """Of those that the user runs: they can be read and put back."""
    return administered_projects(user).filter(
        archived_at__isnull=False, deletion_asked_at__isnull=True
    )


def administered_projects(user: User) -> QuerySet[Project]:
    """The projects in which the user may take datasets out and start runs."""
    projects = projects_of(user)
    if user.is_superuser:
        return projects
    return projects.filter(Q(memberships__user=user, memberships__role__in=ADMINS)).distinct()


def may_reset_password(user: User, other: User) -> bool:
    """Whether the user may take over how the other logs in: not where that would give them what
    they may not do themselves."""
    if user.is_superuser:
        return True
    beyond = Q(role=Role.OWNER) | ~Q(project__in=administered_projects(user))
    is_more = other.is_staff or other.is_superuser
    return not is_more and not other.memberships.filter(beyond).exists()


def may_create_projects(user: User) -> bool:
    return user.is_superuser or user.is_staff


def may_begin_with(user: User, model: str) -> bool:
    """Whether the user's projects may have this base model, a path or a hub name.

    Superusers choose freely. For others it is POLICY_MODEL, or an entry of POLICY_MODELS, or lies
    below one: a folder of models, or an owner on the hub.
    """
    path = PurePosixPath(model)
    allowed = (settings.POLICY_MODEL, *settings.POLICY_MODELS)
    is_listed = ".." not in path.parts and any(path.is_relative_to(entry) for entry in allowed)
    return user.is_superuser or is_listed


def made_just_now(user: User, name: str, slug: str) -> Project | None:
    """The project that the same form made, when it is sent twice."""
    own = Project.objects.filter(memberships__user=user, memberships__role=Role.OWNER)
    since = timezone.now() - timedelta(minutes=1)
    return own.filter(name=name, slug=slug, created_at__gte=since).first()


def is_membership(pk: int) -> bool:
    """Whether somebody is a member under this number, in whatever project."""
    return Membership.objects.filter(pk=pk).exists()


def members_of(project: Project) -> QuerySet[Membership]:
    """Owner, admins, labelers, each by name."""
    rank = Case(When(role=Role.OWNER, then=0), When(role=Role.ADMIN, then=1), default=2)
    return project.memberships.select_related("user").order_by(rank, "user__username")


def removable_members_of(project: Project) -> QuerySet[Membership]:
    """All but the owner."""
    return members_of(project).exclude(role=Role.OWNER)


def labelers_of(project: Project) -> QuerySet[User]:
    """Its members, and whoever ranked in it and was removed since, by name."""
    own = Ranking.objects.filter(labeler=OuterRef("pk"), group__project=project)
    memberships = project.memberships.filter(user=OuterRef("pk"))
    return User.objects.filter(Exists(memberships) | Exists(own)).order_by("username")
