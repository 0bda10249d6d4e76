"""All versions of a policy on one axis: how one reward model judges what each of them answers."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from statistics import fmean, quantiles

from django.utils.translation import gettext as _

from annotation.models import PolicyVersion
from rewardmodel.models import RewardModelVersion
from rewardmodel.plots.plot import Mark, Plot, Series

FEWEST = 10  # answers, of fewer of which there is no tenth

Found = Mapping[int, tuple[str, Sequence[float]]]
"""Of a version, by its number: what its answers are from, and the reward of each."""


def rewards_by_version(
    judge: RewardModelVersion | None, family: Sequence[PolicyVersion]
) -> Plot | None:
    """Of answers to held-out prompts. Another reward model has a scale of its own: versions of
    which the judge read none are left out, and said."""
    found = {} if judge is None else _judged_by(judge, family)
    found = {number: each for number, each in sorted(found.items()) if len(each[1]) >= FEWEST}
    if judge is None or len(found) < 2:
        return None
    spreads = {number: quantiles(rewards, n=20) for number, (_from, rewards) in found.items()}
    return Plot(
        slug="rewards-by-version",
        title=_("Rewards of the versions' answers, by reward model %s") % judge.called,
        x=_("policy version"),
        y=_("reward"),
        series=[
            _line(2, _("a tenth scores higher"), spreads, 17),
            _line(1, _("median"), spreads, 9),
            _line(0, _("a tenth scores lower"), spreads, 1),
        ],
        columns={
            **{"version": _("version"), "from": _("answers from"), "answers": _("answers")},
            **{"mean": _("mean"), "p10": "10 %", "p25": "25 %", "p50": "50 %"},
            **{"p75": "75 %", "p90": "90 %"},
        },
        rows=[
            [number, origin, len(rewards), fmean(rewards)]
            + [spreads[number][at] for at in (1, 4, 9, 14, 17)]
            for number, (origin, rewards) in found.items()
        ],
        note=_note(sorted(each.number for each in family if each.number not in found)),
    )


def _line(look: int, name: str, spreads: Mapping[int, Sequence[float]], at: int) -> Series:
    """Through one of the twentieths of each version's answers; the median's marks have numbers."""
    has_marks = look == 1
    marks = [
        Mark(number, spread[at], label=str(number) if has_marks else "")
        for number, spread in spreads.items()
    ]
    return Series(name, look, marks, True, has_marks)


def _judged_by(judge: RewardModelVersion, family: Sequence[PolicyVersion]) -> Found:
    """What was ranked, of its own held-out groups; in its stead, where the judge taught or is what
    it was taught from, the answers of the newest such update, which are to the same prompts."""
    own = {} if judge.snapshot.is_imported else judge.metrics.get("answers_by_policy") or {}
    found = {int(number): (_("queue"), rewards) for number, rewards in own.items()}
    for version in sorted(family, key=attrgetter("number")):
        run = getattr(version, "produced_by", None)
        answers = version.metrics.get("answers") or {}
        if run is None or run.reward_model_id != judge.pk:
            continue
        for name, each in (("parent", version.parent), ("new", version)):
            rewards = answers.get(name, {}).get("score", [])
            if each is not None and len(rewards) >= FEWEST:
                found[each.number] = (_("policy update"), rewards)
    return found


def _note(missing: Sequence[int]) -> str:
    said = _("Answers to held-out prompts, in standard deviations of that reward model.")
    if not missing:
        return said
    left_out = _("It knows too few answers of: %s.") % ", ".join(map(str, missing))
    return f"{said} {left_out}"
