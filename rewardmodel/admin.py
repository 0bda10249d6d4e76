"""Django's admin for what was learned: everything here is written by the loop."""

from django.contrib import admin

from annotation.admin import ReadOnlyAdmin
from rewardmodel.models import RewardModelVersion, TrainingRun


@admin.register(RewardModelVersion)
class RewardModelVersionAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "project", "status", "parent", "gate_reason", "created_at"]
    list_filter = ["project", "status"]
    list_select_related = ["project", "parent"]


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
        "reason",
    ]
    list_filter = ["project", "kind", "status"]
    list_select_related = ["project"]
