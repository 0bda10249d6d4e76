"""How unsure a reward model is that people would like a policy's answers better."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float


def doubt_of_mean(covariances: Float[np.ndarray, "n n"]) -> float:
    """The posterior deviation of mu . w, mu the change of features that is to be expected of a
    prompt, from d_i' C d_j of n prompts' changes d_i; C is the covariance of the weights w.

    Of d' C d, d their mean, what chance has in d is tr(S C) / n, of features by the thousand the
    most. The mean over pairs of different prompts has none of it in its mean: mu' C mu. A jackknife
    error more makes up for what that is off by. Of one or two prompts it is d' C d.
    """
    count, own = len(covariances), covariances.diagonal()
    if count < 3:
        return math.sqrt(max(covariances.mean(), 0.0))
    others = covariances.sum(1) - own
    pairs = others.sum()
    without = (pairs - 2 * others) / ((count - 1) * (count - 2))
    error = math.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    return math.sqrt(max(pairs / (count * (count - 1)) + error, 0.0))
