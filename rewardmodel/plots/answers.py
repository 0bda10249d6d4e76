"""The held-out answers of a policy update: how they are judged, and how long they are."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from django.utils.translation import gettext as _

from rewardmodel.plots.plot import Mark, Metrics, Plot, Series, span

BINS = 16
CROWD = 100  # marks, from which on they are small


def before_and_after() -> dict[str, str]:
    return {"parent": _("parent"), "new": _("new policy")}


def distribution(answers: Mapping[str, Metrics]) -> Plot | None:
    """How many of the held-out answers have which reward, before and after."""
    names = before_and_after()
    scores = {name: answers[name]["score"] for name in names if name in answers}
    known = [score for found in scores.values() for score in found]
    if not known:
        return None
    low, high = span(known)
    width = (high - low) / BINS
    edges = [low + width * number for number in range(BINS + 1)]
    shares = {name: _shares(found, low, width) for name, found in scores.items()}
    return Plot(
        slug="rewards",
        title=_("Rewards of the held-out answers"),
        x=_("reward"),
        y=_("share of the answers"),
        series=[
            Series(names[name], look, _steps_of(edges, shares[name]), True, False)
            for look, name in enumerate(names)
            if name in shares
        ],
        columns={"from": _("from"), "to": _("to"), **{name: names[name] for name in shares}},
        rows=[
            [*bounds, *of_each]
            for bounds, of_each in zip(
                pairwise(edges), zip(*shares.values(), strict=True), strict=True
            )
        ],
        span_y=(0, max(share for found in shares.values() for share in found)),
    )


def _shares(scores: Sequence[float], low: float, width: float) -> list[float]:
    counts = [0] * BINS
    for score in scores:
        counts[min(BINS - 1, int((score - low) / width))] += 1
    return [count / len(scores) for count in counts]


def _steps_of(edges: Sequence[float], shares: Sequence[float]) -> list[Mark]:
    """The outline of a histogram."""
    outline = [Mark(edges[0], 0)]
    for (left, right), share in zip(pairwise(edges), shares, strict=True):
        outline += [Mark(left, share), Mark(right, share)]
    return [*outline, Mark(edges[-1], 0)]


def length(answers: Mapping[str, Metrics]) -> Plot | None:
    names = before_and_after()
    rows = [
        [name, tokens, score]
        for name in names
        if name in answers
        for tokens, score in zip(answers[name]["tokens"], answers[name]["score"], strict=True)
    ]
    if not rows:
        return None
    size = 0.0 if len(rows) > CROWD else 0.3
    return Plot(
        slug="length",
        title=_("Reward against length"),
        x=_("tokens an answer"),
        y=_("reward"),
        series=[
            Series(label, look, [Mark(x, y, size) for name, x, y in rows if name == own])
            for look, (own, label) in enumerate(names.items())
        ],
        columns={"version": _("version"), "tokens": _("tokens"), "reward": _("reward")},
        rows=rows,
    )
