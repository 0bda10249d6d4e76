"""What a reward costs in divergence: over rounds, over steps, and by taking the best of n."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotation.models import PolicyVersion
from rewardmodel.curves import curves_of
from rewardmodel.models import TrainingRun
from rewardmodel.plots.answers import before_and_after
from rewardmodel.plots.plot import Mark, Metrics, Plot, Series


def _best_series(metrics: Metrics) -> Series | None:
    found = [
        Mark(each["divergence_bound"], each["reward"], label=str(each["n"]))
        for each in metrics.get("by_n") or []
    ]
    return Series(_("best of n, at most so far away"), 2, found, True) if found else None


def _best_rows(metrics: Metrics, judge: int | None) -> list[list[Any]]:
    return [
        [f"best of {each['n']}", judge, each["divergence_bound"], each["reward"]]
        for each in metrics.get("by_n") or []
    ]


def _divergence_columns() -> dict[str, str]:
    return {
        **{"version": _("version"), "reward_model": _("reward model")},
        **{"kl": _("KL"), "reward": _("mean reward")},
    }


def best_of_n(metrics: Metrics) -> Plot | None:
    series = _best_series(metrics)
    if series is None:
        return None
    return Plot(
        slug="best-of-n",
        title=_("Reward of the best of n"),
        x=_("KL from the reference at most, nats"),
        y=_("mean reward"),
        series=[series],
        columns=_divergence_columns(),
        rows=_best_rows(metrics, None),
    )


def frontier(family: Sequence[PolicyVersion], best_of: TrainingRun | None) -> Plot | None:
    """Of each round where it began and where it ended, judged by that round's reward model."""
    rounds = [each for each in family if _is_judged(each.metrics)]
    if not rounds:
        return None
    names = before_and_after()
    series = [
        Series(names[name], look, [_end(each, name) for each in rounds])
        for look, name in enumerate(names)
    ]
    rows = [
        [f"policy {_number(each, name)}", _judge(each), part["kl"], part["reward"]]
        for each in rounds
        for name, part in ((name, each.metrics[name]) for name in names)
    ]
    beside = best_of and _best_series(best_of.metrics)
    if best_of and beside:
        series.append(beside)
        judge = best_of.reward_model
        rows += _best_rows(best_of.metrics, judge.number if judge else None)
    return Plot(
        slug="frontier",
        title=_("Reward against divergence, over the rounds"),
        x=_("KL from the reference, nats an answer"),
        y=_("mean reward"),
        series=series,
        columns=_divergence_columns(),
        rows=rows,
        note=_("Each round is judged by a reward model of its own, on a scale of its own."),
    )


def _end(version: PolicyVersion, name: str) -> Mark:
    """Of a round; where it ended has the number of the version that it made."""
    found = version.metrics[name]
    return Mark(found["kl"], found["reward"], label=str(version.number) if name == "new" else "")


def _is_judged(metrics: Metrics) -> bool:
    """Whether it was made by a policy update that a reward model judged."""
    both = [metrics.get(name) or {} for name in ("parent", "new")]
    return all(part.get(name) is not None for part in both for name in ("kl", "reward"))


def _number(version: PolicyVersion, name: str) -> str:
    """Of the version itself, or of its parent."""
    if name == "new":
        return str(version.number)
    return "" if version.parent is None else str(version.parent.number)


def _judge(version: PolicyVersion) -> int | None:
    run = getattr(version, "produced_by", None)
    return run.reward_model.number if run and run.reward_model else None


def steps(run: TrainingRun) -> Plot | None:
    """A policy update's way: reward against divergence, step by step."""
    if run.kind != TrainingRun.Kind.POLICY:
        return None
    curves = curves_of(run)
    rewards, divergences = (curves.get(name, {}) for name in ("reward", "kl"))
    known = sorted(rewards.keys() & divergences.keys())
    if len(known) < 2:
        return None
    ends = {step: str(step) for step in (known[0], known[-1])}
    marks = [Mark(divergences[at], rewards[at], 0.0, ends.get(at, "")) for at in known]
    return Plot(
        slug="steps",
        title=_("Reward against divergence, step by step"),
        x=_("KL from the reference, nats an answer"),
        y=_("mean reward"),
        series=[Series(_("steps"), 1, marks, True)],
        columns={"step": _("step"), "kl": _("KL"), "reward": _("mean reward")},
        rows=[[step, divergences[step], rewards[step]] for step in known],
    )
