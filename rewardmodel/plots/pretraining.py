"""What pretraining helps: the same trainings from a pretrained and from a fresh model."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from rewardmodel.plots.plot import Mark, Metrics, Plot, Series

Points = Mapping[str, Sequence[Mapping[str, Any]]]
"""By what a training began with, as in `metrics` of the report."""
Axis = tuple[str, str, str]
"""Which field of the points, what its column is called, and what the axis."""


def pretraining(metrics: Metrics) -> list[Plot]:
    if "loss_curves" not in metrics:
        return []
    losses: Points = {
        start: [{"steps": step, "loss": loss} for step, loss in curve]
        for start, curve in metrics["loss_curves"].items()
    }
    learned: Points = metrics["learning_curves"]
    return [
        _plot(
            ("supervised", _("Following demonstrations: held-out loss")),
            losses,
            ("steps", _("steps"), _("steps")),
            ("loss", _("loss"), _("held-out loss, nats a token")),
        ),
        _plot(
            ("reward-loss", _("Reward model: held-out log loss (a coin: 0.693)")),
            learned,
            ("groups", _("groups"), _("groups it learned from")),
            ("log_loss", _("log loss"), _("held-out log loss")),
        ),
        _plot(
            ("reward-accuracy", _("Reward model: held-out pairs ordered as people did")),
            learned,
            ("groups", _("groups"), _("groups it learned from")),
            ("accuracy", _("accuracy"), _("accuracy")),
        ),
    ]


def names() -> dict[str, str]:
    return {"pretrained": _("pretrained model"), "fresh": _("fresh model")}


def _plot(named: tuple[str, str], points: Points, x: Axis, y: Axis) -> Plot:
    """`named`: its slug and its title."""
    starts = {start: name for start, name in names().items() if start in points}
    looks = {"pretrained": 1, "fresh": 0}
    return Plot(
        slug=named[0],
        title=named[1],
        x=x[2],
        y=y[2],
        series=[
            Series(
                name,
                looks[start],
                [Mark(each[x[0]], each[y[0]]) for each in points[start]],
                is_line=True,
            )
            for start, name in starts.items()
        ],
        columns={"start": _("begins with"), **{field: label for field, label, _axis in (x, y)}},
        rows=[[start, each[x[0]], each[y[0]]] for start in starts for each in points[start]],
    )
