"""Reading versions: which one serves, which number is free."""

from django.db.models import Max

from annotation.models import PolicyVersion, Project
from annotation.models.policy import ModelVersion


def champion_policy(project: Project) -> PolicyVersion:
    """The policy that serves; a project has one from its first moment on."""
    return project.policyversions.get(status=ModelVersion.Status.CHAMPION)


def next_number(versions: type[ModelVersion], project: Project) -> int:
    """The number of the project's next version of this kind."""
    highest = versions._default_manager.filter(project=project).aggregate(Max("number"))
    return (highest["number__max"] or 0) + 1
