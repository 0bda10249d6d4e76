"""How different a policy's answers are from one another."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def distinctness(groups: Sequence[Sequence[Sequence[int]]]) -> NDArray[np.float64]:
    """distinct-2 (Li et al. 2016, arXiv 1510.03055) [prompts], of each prompt's answers as tokens.

    Each pair of neighbouring tokens counts as one over how often it occurs in all answers, to
    whichever prompt; a prompt's share is the mean of its pairs. Where every pair is another it is
    1; where all answers are the same it is one over their number at most. Without a pair it is 1.
    """
    pairs = [[pair for answer in answers for pair in pairwise(answer)] for answers in groups]
    often = Counter(pair for own in pairs for pair in own)
    shares = [np.mean([1 / often[pair] for pair in own]) if own else 1.0 for own in pairs]
    return np.array(shares, dtype=np.float64)
