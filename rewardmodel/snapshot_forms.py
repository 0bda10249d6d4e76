"""What the pages of snapshots ask."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.forms import AddForm
from annotation.forms.said import TypedField
from annotation.models import Snapshot
from annotation.selectors.snapshots import AS_ROWS

LONGEST = 100


class TakeForm(forms.Form):
    name = TypedField(
        label=_("Name of the snapshot"),
        max_length=LONGEST,
        help_text=_("Under which you will find it again, such as “before the new guidelines”."),
    )
    kind = forms.ChoiceField(
        label=_("What of"),
        choices=[(kind.value, kind.label) for kind in AS_ROWS],
        initial=Snapshot.Kind.GROUPS,
    )


class BringForm(AddForm):
    """A snapshot from elsewhere."""

    name = TypedField(label=_("Name of the snapshot"), max_length=LONGEST)
    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "JSON Lines with a group a line, as the native export or another Laoshi's snapshot "
            "has them; or prompts, or demonstrations. 32 MB at most: whoever runs a machine trains "
            "on a longer file there, with train_reward.py --snapshot."
        ),
    )
    leaves_out = None  # type: ignore[assignment]  # of an import: here every row must do
    field_order = ("name", "file")


class NameForm(forms.Form):
    name = TypedField(
        label=_("Name of the snapshot"),
        max_length=LONGEST,
        required=False,
        help_text=_("Without a name it is kept only as long as a run or a version needs it."),
    )
