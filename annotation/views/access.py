"""Who is let in, in HTTP's words; what a user may do is decided in selectors/projects.py."""

from django.core.exceptions import PermissionDenied
from django.http import Http404

from annotation.models import Project, User
from annotation.selectors.projects import is_admin, is_owner, may_create_projects, project_of


def project_for_member(user: User, slug: str) -> Project:
    """The project, for anybody who ranks or runs it; strangers learn nothing (404), and in an
    archived one nobody ranks."""
    project = project_of(user, slug)
    if project is None or project.archived_at is not None:
        raise Http404
    return project


def project_for_admin(user: User, slug: str) -> Project:
    """The project, for its owner and admins; 404 for strangers, 403 for labelers."""
    project = project_of(user, slug)
    if project is None:
        raise Http404
    if not is_admin(user, project):
        raise PermissionDenied
    return project


def project_for_owner(user: User, slug: str) -> Project:
    """The project, for its owner; 403 for its admins."""
    project = project_for_admin(user, slug)
    if not is_owner(user, project):
        raise PermissionDenied
    return project


def check_may_create_projects(user: User) -> None:
    """403 for everybody else."""
    if not may_create_projects(user):
        raise PermissionDenied
