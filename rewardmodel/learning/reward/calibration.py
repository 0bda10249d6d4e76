"""Whether a reward model is as sure as it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The pairs in which the model's confidence lies from `low` to `high`.

    Confidence is the probability sigmoid(r_i - r_j) of the answer i that the model scores higher,
    so from 1/2 to 1. `confidence` is its mean, `accuracy` the share of pairs ordered alike; both
    None without pairs.
    """

    low: float
    high: float
    pairs: int
    confidence: float | None
    accuracy: float | None


def reliability(
    scores: Sequence[Float[Tensor, " K"]], votes: Sequence[Float[Tensor, "K K"]]
) -> list[Bin]:
    """BINS bins of equal width for a reliability plot (arXiv 1706.04599, section 2).

    `votes` as from `strict_votes`; each vote is a pair. Equal scores are right by half.
    """
    confidences, hits, counts = [torch.empty(0)], [torch.empty(0)], [torch.empty(0)]
    for group, preferred in zip(scores, votes, strict=True):
        better, worse = preferred.nonzero(as_tuple=True)
        differences = group[better] - group[worse]
        confidences.append(differences.abs().sigmoid())
        hits.append((differences.sign() + 1) / 2)
        counts.append(preferred[better, worse])
    confidence, hit, count = torch.cat(confidences), torch.cat(hits), torch.cat(counts)
    place = ((confidence - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        pairs = count[inside].sum().item()
        low, high = 0.5 + number / (2 * BINS), 0.5 + (number + 1) / (2 * BINS)
        means = [
            (count * value)[inside].sum().item() / pairs if pairs else None
            for value in (confidence, hit)
        ]
        bins.append(Bin(round(low, 4), round(high, 4), round(pairs), means[0], means[1]))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: the mean over pairs of |accuracy - confidence| of their bin.

    arXiv 1706.04599, equation 3; 0 is perfect, None without pairs.
    """
    pairs = sum(each.pairs for each in bins)
    if not pairs:
        return None
    gaps = [
        each.pairs * abs(each.accuracy - each.confidence)
        for each in bins
        if each.accuracy is not None and each.confidence is not None
    ]
    return sum(gaps) / pairs
