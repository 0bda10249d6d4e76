"""What is behind a version's or a run's figures, drawn: each a plot with its table."""

from collections.abc import Sequence

from annotation.models import PolicyVersion
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.plots.answers import distribution, length
from rewardmodel.plots.divergence import best_of_n, frontier, steps
from rewardmodel.plots.judging import learning_curve, reliability
from rewardmodel.plots.plot import Metrics, Plot
from rewardmodel.plots.pretraining import pretraining
from rewardmodel.plots.versions import rewards_by_version


def plots_of_run(run: TrainingRun) -> list[Plot]:
    plots = [*_of_metrics(run.metrics), best_of_n(run.metrics), steps(run)]
    return [*(plot for plot in plots if plot), *pretraining(run.metrics)]


def plots_of_version(
    metrics: Metrics, family: Sequence[PolicyVersion] = (), best_of: TrainingRun | None = None
) -> list[Plot]:
    """Of its metrics; of a policy also the frontier of its project's `family`, with the report of
    best of n beside it."""
    plots = [*_of_metrics(metrics), frontier(family, best_of)]
    return [plot for plot in plots if plot]


def plots_of_family(
    judge: RewardModelVersion | None, family: Sequence[PolicyVersion]
) -> list[Plot]:
    """Of all policy versions together, by the reward model that serves."""
    plot = rewards_by_version(judge, family)
    return [plot] if plot else []


def _of_metrics(metrics: Metrics) -> list[Plot | None]:
    answers = metrics.get("answers") or {}
    return [
        distribution(answers),
        length(answers),
        reliability(metrics.get("reliability") or []),
        learning_curve(metrics.get("learning_curve") or []),
    ]
