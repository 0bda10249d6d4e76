"""Whether a reward model has learned what people prefer: an interval decides, in three words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardmodel.learning.core.bootstrap import FEWEST, deciding_interval
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict, as_said
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.bounds import Lengths, Scores, out_of_bounds, sums_by_prompt
from rewardmodel.learning.reward.learning_curve import CHANCE, LossCurve
from rewardmodel.learning.reward.losses import vote_log_loss
from rewardmodel.learning.reward.preferences import counted_votes, vote_hits

EVIDENCE = math.log(20)
"""Nats against chance: what knows nothing comes so far once in twenty times, or less."""
MOST_MORE = 9
"""Times as many prompts as there are: the most that is foretold."""


@dataclass(frozen=True)
class Evidence:
    """Of each held-out prompt with pairs: their number, their summed log loss, and the hits.

    `nats` is the logarithm of how much likelier its rankings are by the scores than by chance, and
    `trials` how many pairs count in it.
    """

    pairs: NDArray[np.float64]
    losses: NDArray[np.float64]
    hits: NDArray[np.float64]
    nats: NDArray[np.float64]
    trials: NDArray[np.float64]

    @property
    def loss(self) -> float:
        return float(self.losses.sum() / self.pairs.sum())


def evidence_of(scores: Scores, rows: Sequence[GroupRow]) -> Evidence:
    """Pairs of one prompt are not independent, so they stand together.

    The K (K - 1) / 2 pairs of a ranking are K - 1 rounds (K of them where K is odd) of pairs that
    have no answer in common, each of which a random order decides by itself: the mean over rounds
    and labelers of the log likelihood ratio is that of an e-value (arXiv 2210.01948), by Jensen's
    inequality.
    """
    sums = []
    for group, row in zip(scores, rows, strict=True):
        votes = counted_votes(row)
        pairs, loss, hits = (
            value.item()
            for value in (votes.sum(), vote_log_loss(group, votes), vote_hits(group, votes))
        )
        share = 1 / (len(group) - 1 + len(group) % 2) / len(row.counted)
        sums.append([pairs, loss, hits, (CHANCE * pairs - loss) * share, pairs * share])
    return Evidence(*sums_by_prompt(rows, sums).reshape(-1, 5).T)


def reward_gate(
    scores: Scores,
    rows: Sequence[GroupRow],
    served: Scores | None = None,
    share: float = 1.0,
    teacher: Scores | None = None,
    curve: LossCurve | None = None,
    lengths: Lengths | None = None,
) -> Gate:
    """Learned where the held-out rankings are twenty times likelier by the scores than by chance;
    not learned where the interval of their log loss lies above chance; else not decided yet.

    One that has learned is still refused where it is surely out of bounds; where it predicts worse
    than what `served` until now, whose scores of the same groups these are, the interval of the
    difference above 0; and where it does so than its `teacher`, if it learned from that one's
    scores. `share` of all ranked prompts is held out. How many more would decide follows the
    `curve` of what the rankings taught so far, if there is one. `lengths` of the answers, in
    anything that grows with the number of tokens.
    """
    found = evidence_of(scores, rows)
    if not len(found.pairs):
        return Gate(False, Verdict(Code.NO_HELDOUT_PAIRS))
    low, high = deciding_interval(found.losses, found.pairs)
    nats = float(found.nats.sum())
    values: dict[str, float] = {
        "loss": found.loss,
        "low": low,
        "high": high,
        "evidence": nats,
        "pairs": round(found.pairs.sum()),
        "prompts": len(found.pairs),
        "accuracy": float(found.hits.sum() / found.pairs.sum()),
    }
    decides = len(found.pairs) >= FEWEST
    if not math.isfinite(found.loss) or (decides and as_said(low) > as_said(CHANCE)):
        return Gate(False, Verdict(Code.REWARD_NOT_LEARNED, values))
    if nats < EVIDENCE:
        return Gate(False, _undecided(found, values, share, curve))
    refused = out_of_bounds(scores, rows, lengths)
    if refused is None and decides:
        refused = _worse(found, rows, served, teacher)
    if refused is not None:
        return Gate(False, Verdict(refused.code, {**values, **refused.values}))
    return Gate(True, Verdict(Code.REWARD_LEARNED, values))


def _worse(
    found: Evidence, rows: Sequence[GroupRow], served: Scores | None, teacher: Scores | None
) -> Verdict | None:
    """Than one of the two, surely."""
    others = ((Code.REWARD_WORSE, "served", served), (Code.STUDENT_WORSE, "teacher", teacher))
    for code, name, known in others:
        if known is None:
            continue
        other = evidence_of(known, rows)
        least, _ = deciding_interval(found.losses - other.losses, found.pairs)
        if as_said(least) > 0:
            return Verdict(code, {name: other.loss})
    return None


def _undecided(
    found: Evidence, values: dict[str, float], share: float, curve: LossCurve | None
) -> Verdict:
    """With about how many more prompts would tell; or that more do not seem to."""
    decides = len(found.pairs) >= FEWEST
    if decides and curve and as_said(curve.floor) >= as_said(CHANCE):
        return Verdict(Code.REWARD_NOT_TAUGHT, {**values, "floor": curve.floor})
    more = math.ceil(_prompts_to_decide(found, curve) / share)
    return Verdict(Code.REWARD_UNDECIDED, {**values, "more": more})


def _prompts_to_decide(found: Evidence, curve: LossCurve | None) -> int:
    """How many more held-out prompts would bring the evidence. Without a curve, if they are like
    those; as many again where nothing speaks against chance yet."""
    prompts, nats = len(found.pairs), float(found.nats.sum())
    if curve:
        times = curve.growth((EVIDENCE - nats) / float(found.trials.sum())) - 1
    elif nats > 0:
        times = EVIDENCE / nats - 1
    else:
        times = 1.0
    return max(1, math.ceil(min(times, MOST_MORE) * prompts))
