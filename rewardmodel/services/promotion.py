"""Who let which version serve, and when."""

from django.db import transaction

from annotation.models import PolicyVersion, User
from annotation.models.policy import ModelVersion
from annotation.services.policies import promote
from rewardmodel.models import Promotion, RewardModelVersion
from rewardmodel.services.told import tell_of_promotion

Version = PolicyVersion | RewardModelVersion


@transaction.atomic
def let_serve(version: Version, by: User | None = None) -> None:
    """Makes it the champion, and writes that down; without a user its gate decided.

    A version that serves already changes nothing.
    """
    versions = type(version)._default_manager.filter(project=version.project)
    served = versions.filter(status=ModelVersion.Status.CHAMPION).first()
    if served == version:
        return
    promote(version)
    is_policy = isinstance(version, PolicyVersion)
    promotion = Promotion.objects.create(
        project=version.project,
        kind=Promotion.Kind.POLICY if is_policy else Promotion.Kind.REWARD,
        number=version.number,
        instead_of=served.number if served else None,
        by=by,
    )
    tell_of_promotion(promotion)
