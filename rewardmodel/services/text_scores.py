"""What a reward model makes of texts that somebody looks at, finished or not."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from annotation.lm.chat import Message
from annotation.models import PolicyVersion
from annotation.services.asking import Answer, Question, answer_waiting, ask
from rewardmodel.models import RewardModelVersion

if TYPE_CHECKING:
    from annotation.lm.warm import Base
    from rewardmodel.learning.reward.scorer import RewardScorer

logger = logging.getLogger(__name__)

BOX = "text-scores"
TASK = "rewardmodel.tasks.score_texts"
TOKENS_PER_PASS = 2048


def score(
    reward_model: RewardModelVersion,
    policy: PolicyVersion,
    *,
    messages: Sequence[Message],
    tokens: Sequence[int],
    patience: float,
) -> Answer | None:
    """Of the answer so far to the messages, in the policy's tokens; None: ask again.

    Raises one of AWAY.
    """
    question = {
        "folder": str(reward_model.folder),
        "base_model": reward_model.base_model,
        "tokenizer": policy.base_model,
        "messages": list(messages),
        "tokens": list(tokens),
    }
    return ask(BOX, TASK, question, patience)


def answer_askers() -> None:
    """In the worker, when it is free and between two steps of what else it does."""
    import torch

    with torch.inference_mode(False), torch.no_grad():  # what is loaded is for later, too
        answer_waiting(BOX, _scored)


def _scored(question: Question) -> dict[str, Any]:
    from annotation.lm.chat import Chat, ChatError
    from annotation.lm.loading import DAMAGE, PolicyUnavailable, brief
    from annotation.lm.warm import warm_policy

    folder = question["folder"]
    try:
        writer = warm_policy.look_into(question["tokenizer"])
        text = Chat(writer.tokenizer).answer_text(question["tokens"])
        base, scorer = warm_scorer(folder, question["base_model"])
        with base.read_as(None):
            [scores] = scorer.scores([(question["messages"], [text])], TOKENS_PER_PASS)
    except (PolicyUnavailable, ChatError) as problem:
        return {"problem": str(problem)}
    except DAMAGE as problem:
        logger.exception("A text is not scored by %s", folder)
        return {"problem": brief(problem)}
    return {"score": float(scores[0])}


def warm_scorer(folder: str, base_model: str) -> tuple["Base", "RewardScorer"]:
    """The reward model of a folder, beside its base model, which it may read and which is then to
    be read as it is; both stay in memory. Raises PolicyUnavailable."""
    from annotation.lm.warm import warm_policy
    from rewardmodel.learning.reward.scorer import RewardScorer

    base = warm_policy.look_into(base_model)
    if folder not in base.beside:
        base.beside[folder] = RewardScorer(folder, base.model.device, base.model, is_its=True)
    return base, base.beside[folder]
