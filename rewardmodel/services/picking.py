"""Which of the answers that were drawn are shown. Runs in the accelerator worker."""

import random
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from annotation.models import Project, Prompt, PromptGroup
from annotation.services.groups import pick_answers
from rewardmodel.learning.reward.information import choice_variances, most_telling
from rewardmodel.learning.reward.probe import Head

BY_CHANCE = 0.25
"""Share of the prompts to learn from whose answers chance picks; of held-out ones, all: only such
groups say how well people, or a model, agree on what a policy says."""

Picked = PromptGroup.Picked


def pick(
    group: PromptGroup,
    head: Head | None = None,
    features: Float[Tensor, "N width"] | None = None,
) -> None:
    """Opens a group that waits for it with what its project wants to be shown; without a head
    chance picks. `features` are what the head reads of all answers drawn."""
    chance = random.Random(group.seed)
    is_random = chance.random() < BY_CHANCE or group.prompt.split == Prompt.Split.HELDOUT
    count = group.answer_count
    among = _distinct([answer.text for answer in group.answers.all()], count)
    if head is None or features is None or is_random:
        pick_answers(group, chance.sample(among, count), Picked.CHANCE)
    elif group.project.pick == Project.Pick.REWARD:
        best = head.scores(features)[among].topk(count).indices.tolist()
        pick_answers(group, [among[place] for place in best], Picked.REWARD)
    else:
        telling = most_telling(choice_variances(head, features[among]), count)
        pick_answers(group, [among[place] for place in telling], Picked.INFORMATION)


def _distinct(texts: Sequence[str], count: int) -> list[int]:
    """Places of different texts, the first of each; all places where there are fewer than wanted:
    two that read alike can only be called equal."""
    firsts = sorted({texts.index(text) for text in texts})
    return firsts if len(firsts) >= count else list(range(len(texts)))
