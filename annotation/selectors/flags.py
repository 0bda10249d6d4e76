"""Reading what labelers told the admins about prompts."""

from django.db.models import QuerySet

from annotation.models import Flag, Project


def flags_of(project: Project, is_resolved: bool) -> QuerySet[Flag]:
    """Each with its prompt and its people."""
    flags = project.flags.filter(resolved_at__isnull=not is_resolved)
    return flags.select_related("prompt", "labeler", "resolved_by")
