from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RewardModelConfig(AppConfig):
    name = "rewardmodel"
    verbose_name = _("Learning")

    def ready(self) -> None:
        """Those who wait for a score are answered as those who look at a policy are."""
        from annotation.services.looking import ANSWERERS
        from rewardmodel.services.text_scores import answer_askers

        ANSWERERS.append(answer_askers)
