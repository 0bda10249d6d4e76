"""What was measured along the way: of a run over its steps, of the head that follows the rankings
over their number."""

import math
from collections.abc import Mapping
from dataclasses import replace

from django.utils.text import slugify
from django.utils.translation import gettext as _

from annotation.templatetags.numbers import figure
from rewardmodel.curves import curves_of
from rewardmodel.learning.reward.learning_curve import LossCurve
from rewardmodel.models import LiveHead, TrainingRun
from rewardmodel.plots.plot import Mark, Plot, Series
from rewardmodel.selectors import loss_curve
from rewardmodel.templatetags.metrics import labelled, metric_name

MOST_DRAWN = 400
AHEAD = 2  # times as many rankings: so far a fitted curve is drawn
FITTED_DRAWN = 40


def course_of(run: TrainingRun) -> list[Plot]:
    """A plot for each metric that training reported at two or more steps."""
    steps = ("step", _("step"))
    curves = curves_of(run).items()
    return [_curve("course", name, known, steps) for name, known in curves if len(known) > 1]


def course_of_live(live: LiveHead) -> list[Plot]:
    """How well the head that follows the rankings predicts, by their number."""
    rankings = ("rankings", _("rankings"))
    curves = (
        (name, {each["rankings"]: each[name] for each in live.history if each[name] is not None})
        for name in ("accuracy", "log_loss", "calibration_error")
    )
    plots = [_curve("live", name, known, rankings) for name, known in curves if len(known) > 1]
    fitted = loss_curve(live)
    if fitted:
        plots = [_with(fitted, plot) if plot.slug == "live-log_loss" else plot for plot in plots]
    return plots


def _curve(kind: str, name: str, known: Mapping[int, float], over: tuple[str, str]) -> Plot:
    """`over` is the field of the axis, and what it is called."""
    points = sorted(known.items())
    title, (field, axis) = metric_name(name), over
    drawn = [*points[: -1 : math.ceil(len(points) / MOST_DRAWN)], points[-1]]
    return Plot(
        slug=f"{kind}-{slugify(name)}",
        title=labelled(title, figure(points[-1][1])),
        x=axis,
        y=title,
        series=[Series(title, 1, [Mark(*point) for point in drawn], is_line=True, has_marks=False)],
        columns={field: axis, name: title},
        rows=points,
    )


def _with(fitted: LossCurve, plot: Plot) -> Plot:
    """The measured losses with the curve that was fitted to them, and where it leads."""
    first, end = plot.rows[0][0], AHEAD * plot.rows[-1][0]
    counts = [first + (end - first) * place / FITTED_DRAWN for place in range(FITTED_DRAWN + 1)]
    line = [Mark(count, fitted.loss(count)) for count in counts]
    return replace(
        plot,
        series=[*plot.series, Series(_("fitted"), 2, line, is_line=True, has_marks=False)],
        columns={**plot.columns, "fitted": _("fitted")},
        rows=[*([n, y, fitted.loss(n)] for n, y in plot.rows), [end, None, fitted.loss(end)]],
        note=_(
            "Dashed: %(floor)s + %(slope)s / √n, fitted to what was measured after n rankings, and "
            "drawn up to twice as many. A coin has 0.693."
        )
        % {"floor": figure(fitted.floor), "slope": figure(fitted.slope)},
    )
