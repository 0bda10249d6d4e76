"""Whether a reward model has learned what people prefer: an interval decides, in three words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from annotation.exchange.split import prompt_key
from rewardmodel.learning.core.bootstrap import FEWEST, deciding_interval
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict, as_said
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.learning_curve import CHANCE, LossCurve
from rewardmodel.learning.reward.losses import vote_log_loss
from rewardmodel.learning.reward.preferences import strict_votes, vote_hits

EVIDENCE = math.log(20)
"""Nats against chance: what knows nothing comes so far once in twenty times, or less."""
MOST_MORE = 9
"""Times as many prompts as there are: the most that is foretold."""


@dataclass(frozen=True)
class Evidence:
    """Of each held-out prompt with pairs: their summed log loss, their number, and the hits.

    `nats` is the logarithm of how much likelier its rankings are by the scores than by chance, and
    `trials` how many pairs count in it.
    """

    losses: NDArray[np.float64]
    pairs: NDArray[np.float64]
    hits: NDArray[np.float64]
    nats: NDArray[np.float64]
    trials: NDArray[np.float64]

    @property
    def loss(self) -> float:
        return float(self.losses.sum() / self.pairs.sum())


def evidence_of(scores: Sequence[Float[Tensor, " _"]], rows: Sequence[GroupRow]) -> Evidence:
    """Pairs of one prompt are not independent, so they stand together.

    The K (K - 1) / 2 pairs of a ranking are K - 1 rounds (K of them where K is odd) of pairs that
    have no answer in common, each of which a random order decides by itself: the mean over rounds
    and labelers of the log likelihood ratio is that of an e-value (arXiv 2210.01948), by Jensen's
    inequality.
    """
    found: dict[str, NDArray[np.float64]] = {}
    for group, row in zip(scores, rows, strict=True):
        votes = strict_votes([ranking.ranks for ranking in row.counted])
        loss, pairs, hits = (
            value.item()
            for value in (vote_log_loss(group, votes), votes.sum(), vote_hits(group, votes))
        )
        share = 1 / (len(group) - 1 + len(group) % 2) / len(row.counted)
        sums = [loss, pairs, hits, (CHANCE * pairs - loss) * share, pairs * share]
        key = prompt_key(row.prompt)
        found[key] = found.get(key, np.zeros(5)) + np.array(sums)
    table = np.array([sums for sums in found.values() if sums[1]]).reshape(-1, 5)
    return Evidence(*table.T)


def reward_gate(
    scores: Sequence[Float[Tensor, " _"]],
    rows: Sequence[GroupRow],
    served: Sequence[Float[Tensor, " _"]] | None = None,
    share: float = 1.0,
    teacher: Sequence[Float[Tensor, " _"]] | None = None,
    curve: LossCurve | None = None,
) -> Gate:
    """Learned where the held-out rankings are twenty times likelier by the scores than by chance;
    not learned where the interval of their log loss lies above chance; else not decided yet.

    `served` are the scores of the reward model that serves now, on the same groups: one that has
    learned, but predicts them worse, the interval of the difference above 0, does not replace it.
    Nor does it stand for its `teacher`, if it learned from that one's scores. `share` of all ranked
    prompts is held out. How many more would decide follows the `curve` of what the rankings taught
    so far, if there is one.
    """
    found = evidence_of(scores, rows)
    if not len(found.pairs):
        return Gate(False, Verdict(Code.NO_HELDOUT_PAIRS))
    low, high = deciding_interval(found.losses, found.pairs)
    nats = float(found.nats.sum())
    values = {
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
        if decides and curve and as_said(curve.floor) >= as_said(CHANCE):
            return Gate(False, Verdict(Code.REWARD_NOT_TAUGHT, {**values, "floor": curve.floor}))
        more = math.ceil(_prompts_to_decide(found, curve) / share)
        return Gate(False, Verdict(Code.REWARD_UNDECIDED, {**values, "more": more}))
    others = ((Code.REWARD_WORSE, "served", served), (Code.STUDENT_WORSE, "teacher", teacher))
    for code, name, known in others:
        if known is None or not decides:
            continue
        other = evidence_of(known, rows)
        least, _ = deciding_interval(found.losses - other.losses, found.pairs)
        if as_said(least) > 0:
            return Gate(False, Verdict(code, {**values, name: other.loss}))
    return Gate(True, Verdict(Code.REWARD_LEARNED, values))


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
