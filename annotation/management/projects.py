"""What commands ask for by name."""

from django.core.management.base import CommandError

from annotation.models import Project


def project_at(slug: str) -> Project:
    """The project with this address; raises CommandError."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise CommandError(f"There is no project with the address {slug!r}.")
    return project
