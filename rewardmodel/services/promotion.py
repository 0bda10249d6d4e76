"""Who let which version serve, or rejected it, and when."""

from django.db import transaction

from annotation.models import Comparison, User
from annotation.models.policy import ModelVersion
from annotation.services.policies import promote
from rewardmodel.models import Promotion, Rejection
from rewardmodel.selectors.versions import Version, kind_of
from rewardmodel.services.told import tell_of_promotion


@transaction.atomic
def let_serve(
    version: Version, by: User | None = None, comparison: Comparison | None = None
) -> None:
    """Makes it the champion, and writes that down: an admin decided, the labelers of a comparison,
    or else its gate.

    A version that serves already changes nothing.
    """
    versions = type(version)._default_manager.filter(project=version.project)
    served = versions.filter(status=ModelVersion.Status.CHAMPION).first()
    if served == version:
        return
    promote(version)
    promotion = Promotion.objects.create(
        project=version.project,
        kind=kind_of(version),
        number=version.number,
        instead_of=served.number if served else None,
        by=by,
        comparison=comparison,
    )
    tell_of_promotion(promotion)


@transaction.atomic
def reject(version: Version, by: User | None = None, comparison: Comparison | None = None) -> bool:
    """A candidate is not to serve, unless an admin lets it all the same; False where it is none."""
    candidates = type(version)._default_manager.filter(status=ModelVersion.Status.CANDIDATE)
    if not candidates.filter(pk=version.pk).update(status=ModelVersion.Status.REJECTED):
        return False
    Rejection.objects.create(
        project=version.project,
        kind=kind_of(version),
        number=version.number,
        by=by,
        comparison=comparison,
    )
    return True
