"""What commands ask for by name."""

from django.core.management.base import CommandError

from annotation.models import Project


def project_at(slug: str) -> Project:
    """The project with this address; raises CommandError."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project with the address {slug!r}.")
    return project


def project_to_change(slug: str) -> Project:
    """The same, for what writes into it; raises CommandError for an archived one too."""
    project = project_at(slug)
    if project.archived_at is not None:
        raise CommandError(f"The project {slug!r} is archived: put it back first.")
    return project
