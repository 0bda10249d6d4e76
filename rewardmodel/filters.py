"""What the list of runs can be narrowed to."""

from django.utils.translation import gettext_lazy as _
from django_filters import ChoiceFilter

from annotation.filters import ListFilter
from rewardmodel.models import TrainingRun


class RunFilter(ListFilter):
    """Of `runs_of`."""

    kind = ChoiceFilter(choices=TrainingRun.Kind.choices, label=_("Kind"), empty_label=_("all"))
    status = ChoiceFilter(
        choices=TrainingRun.Status.choices, label=_("State"), empty_label=_("all")
    )
