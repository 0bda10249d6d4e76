"""What a reward model minimises, and what it is judged by: pure functions of tensors."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus


def listwise_loss(
    scores: Float[Tensor, " K"],
    shares: Float[Tensor, "K K"],
    margins: Float[Tensor, "K K"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over the group's K(K-1)/2 comparisons, those of them that somebody made, of the
    cross-entropy with soft targets.

    `shares` as from `preference_shares`, `margins` as from `rating_margins`. With one labeler and
    no ties this is the mean of -log sigmoid(r_better - r_worse - margin), equation 1 of InstructGPT
    (arXiv 2203.02155), equation 2 of Llama 2 (arXiv 2307.09288) with margins.
    """
    first, second = torch.triu_indices(len(scores), len(scores), offset=1, device=scores.device)
    is_made = ~shares[first, second].isnan()
    first, second = first[is_made], second[is_made]
    differences = scores[first] - scores[second]
    if margins is not None:
        differences = differences - margins[first, second]
    return binary_cross_entropy_with_logits(differences, shares[first, second])


def vote_log_loss(scores: Float[Tensor, " K"], votes: Float[Tensor, "K K"]) -> Float[Tensor, ""]:
    """The sum over strict votes of -log sigmoid(r_better - r_worse); ln 2 a vote is chance.

    `votes` as from `strict_votes`.
    """
    return (votes * softplus(scores[None, :] - scores[:, None])).sum()
