"""Which version serves, and what people call it."""

from typing import TypeVar

from django.db import transaction

from annotation.models import PolicyVersion
from annotation.models.policy import ModelVersion
from annotation.services.groups import ask_only

V = TypeVar("V", bound=ModelVersion)


@transaction.atomic
def promote(version: V) -> V:
    """Makes the version its project's champion; the one before it is retired.

    Rolling back is the same call with an older version. A policy is asked for all answers from
    now on.
    """
    versions = type(version)._default_manager.filter(project=version.project)
    list(versions.select_for_update())
    versions.filter(status=ModelVersion.Status.CHAMPION).exclude(pk=version.pk).update(
        status=ModelVersion.Status.RETIRED
    )
    version.status = ModelVersion.Status.CHAMPION
    version.save(update_fields=["status"])
    if isinstance(version, PolicyVersion):
        ask_only(version)
    return version


def label_version(version: ModelVersion, label: str) -> None:
    """A few words of an admin, on one line; "" for none."""
    words = " ".join(label.split())
    type(version)._default_manager.filter(pk=version.pk).update(label=words)
