"""Django's admin for what was learned: everything here is written by the loop."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from annotation.admin import OF_PROJECT, ReadOnlyAdmin
from annotation.models import PolicyVersion
from annotation.models.policy import ModelVersion
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.templatetags.reasons import worded


@admin.register(PolicyVersion, RewardModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "project", "status", "parent", "gate", "created_at"]
    list_filter = [OF_PROJECT, "status"]
    list_select_related = ["project", "parent"]

    @admin.display(description=_("gate"))
    def gate(self, version: ModelVersion) -> str:
        return worded(version.gate_reason)


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "project",
        "kind",
        "status",
        "phase",
        "step",
        "total_steps",
        "why",
    ]
    list_filter = [OF_PROJECT, "kind", "status"]
    list_select_related = ["project"]

    @admin.display(description=_("reason"))
    def why(self, run: TrainingRun) -> str:
        return worded(run.reason)
