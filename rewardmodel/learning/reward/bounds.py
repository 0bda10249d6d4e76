"""How far a reward model that has learned may be too sure, or go by length other than people do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, tensor

from annotation.exchange.split import prompt_key
from rewardmodel.learning.core.bootstrap import FEWEST, deciding_interval
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Verdict, as_said
from rewardmodel.learning.core.snapshot_rows import GroupRow
from rewardmodel.learning.reward.preferences import counted_votes, vote_hits

TOO_SURE = 0.1
"""How much more often it may be sure of a pair than right, in the mean."""
OTHER_LENGTH = 0.25
"""How far its share of pairs in which the longer answer is preferred may lie from the labelers'."""

Scores = Sequence[Float[Tensor, " _"]]
Lengths = Sequence[Sequence[float]]


def sums_by_prompt(
    rows: Sequence[GroupRow], sums: Sequence[Sequence[float]]
) -> NDArray[np.float64]:
    """The sums of each row, added up over the rows of a prompt, since its pairs are not
    independent: [prompts, columns], without those whose first column, a number of pairs, is 0; an
    empty list where none is left."""
    found: dict[str, NDArray[np.float64]] = {}
    for row, own in zip(rows, sums, strict=True):
        key = prompt_key(row.prompt)
        found[key] = found.get(key, np.zeros(len(own))) + np.array(own)
    return np.array([each for each in found.values() if each[0]])


def out_of_bounds(
    scores: Scores, rows: Sequence[GroupRow], lengths: Lengths | None
) -> Verdict | None:
    """The first bound that it is surely beyond; nothing is asked of lengths that are not known, and
    nothing decided by fewer than FEWEST prompts."""
    found = too_sure(scores, rows)
    return found if found or lengths is None else other_length(scores, rows, lengths)


def too_sure(scores: Scores, rows: Sequence[GroupRow]) -> Verdict | None:
    """Where its confidence in held-out pairs, sigmoid(|r_i - r_j|), is surely more than TOO_SURE
    above the share of them that it orders as people did."""
    sums = []
    for group, row in zip(scores, rows, strict=True):
        votes = counted_votes(row)
        confidences = (group[:, None] - group[None, :]).abs().sigmoid()
        each = (votes.sum(), (votes * confidences).sum(), vote_hits(group, votes))
        sums.append([value.item() for value in each])
    table = sums_by_prompt(rows, sums)
    if len(table) < FEWEST:
        return None
    pairs, sure, right = table.T
    low, _high = deciding_interval(sure - right, pairs)
    if as_said(low) <= TOO_SURE:
        return None
    values = {"confidence": sure.sum() / pairs.sum(), "accuracy": right.sum() / pairs.sum()}
    return _verdict(Code.REWARD_TOO_SURE, table, values)


def other_length(scores: Scores, rows: Sequence[GroupRow], lengths: Lengths) -> Verdict | None:
    """Where the share of held-out pairs in which it prefers the longer answer is surely further
    than OTHER_LENGTH from the share in which people do. Pairs of one length do not count; equal
    scores prefer either by half. `lengths` in anything that grows with the number of tokens."""
    sums = []
    for group, row, own in zip(scores, rows, lengths, strict=True):
        length = tensor(own)
        longer = (length[:, None] > length[None, :]).float()
        votes = counted_votes(row)
        votes = votes * (longer + longer.T)
        by_people = (votes * longer).sum()
        each = (votes.sum(), vote_hits(group, (votes + votes.T) * longer), by_people)
        sums.append([value.item() for value in each])
    table = sums_by_prompt(rows, sums)
    if len(table) < FEWEST:
        return None
    pairs, by_model, by_people = table.T
    low, high = deciding_interval(by_model - by_people, pairs)
    if as_said(low) <= OTHER_LENGTH and as_said(high) >= -OTHER_LENGTH:
        return None
    values = {"longer": by_model.sum() / pairs.sum(), "people": by_people.sum() / pairs.sum()}
    return _verdict(Code.REWARD_LIKES_LENGTH, table, values)


def _verdict(code: Code, table: NDArray[np.float64], values: dict[str, float]) -> Verdict:
    shares = {name: float(value) for name, value in values.items()}
    counts = {"pairs": round(table[:, 0].sum()), "prompts": len(table)}
    return Verdict(code, {**counts, **shares})
