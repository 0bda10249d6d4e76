from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RewardModelConfig(AppConfig):
    name = "rewardmodel"
    verbose_name = _("Learning")
