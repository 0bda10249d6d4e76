"""How well a reward model judges: as sure as it is right, and by how much it learned from."""

import math
from collections.abc import Sequence

from django.utils.translation import gettext as _

from rewardmodel.plots.plot import Mark, Metrics, Plot, Series


def reliability(bins: Sequence[Metrics]) -> Plot | None:
    """As sure as it is right: on the line both are the same."""
    filled = [each for each in bins if each["pairs"]]
    if not filled:
        return None
    most = max(each["pairs"] for each in filled)
    marks = [
        Mark(each["confidence"], each["accuracy"], math.sqrt(each["pairs"] / most))
        for each in filled
    ]
    line = Series(_("as sure as right"), 2, [Mark(0.5, 0.5), Mark(1, 1)], True, False)
    return Plot(
        slug="calibration",
        title=_("As sure as it is right?"),
        x=_("how sure the model is of a held-out pair"),
        y=_("how often labelers agree"),
        series=[line, Series(_("pairs, larger where there are more"), 1, marks)],
        columns={
            **{"confidence": _("how sure"), "accuracy": _("how often right")},
            "pairs": _("pairs"),
        },
        rows=[[each["confidence"], each["accuracy"], each["pairs"]] for each in filled],
        span_x=(0.5, 1),
        span_y=(0, 1),
    )


def learning_curve(points: Sequence[Metrics]) -> Plot | None:
    known = [each for each in points if each["log_loss"] is not None]
    if len(known) < 2:
        return None
    marks = [Mark(each["groups"], each["log_loss"]) for each in known]
    return Plot(
        slug="learning",
        title=_("Held-out loss against ranked groups"),
        x=_("groups it learned from"),
        y=_("held-out log loss"),
        series=[Series(_("reward model"), 1, marks, True)],
        columns={"groups": _("groups"), "log_loss": _("log loss"), "accuracy": _("accuracy")},
        rows=[[each["groups"], each["log_loss"], each["accuracy"]] for each in known],
    )
