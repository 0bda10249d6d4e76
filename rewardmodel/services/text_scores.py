"""What a reward model makes of texts that somebody looks at, finished or not."""

import logging
from collections.abc import Sequence
from typing import Any

from annotation.lm.chat import Message
from annotation.models import PolicyVersion
from annotation.services.asking import Answer, Question, answer_waiting, ask
from rewardmodel.models import RewardModelVersion

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
    """In the worker, when it is free."""
    import torch

    with torch.no_grad():
        answer_waiting(BOX, _scored)


def _scored(question: Question) -> dict[str, Any]:
    from annotation.lm.chat import Chat, ChatError
    from annotation.lm.loading import DAMAGE, PolicyUnavailable, brief
    from annotation.lm.warm import warm_policy
    from rewardmodel.learning.reward.probe import is_probe
    from rewardmodel.learning.reward.scorer import RewardScorer

    folder = question["folder"]
    try:
        writer = warm_policy.look_into(question["tokenizer"])
        text = Chat(writer.tokenizer).answer_text(question["tokens"])
        base = writer
        if is_probe(folder):  # it reads its base model, which may be loaded
            base = warm_policy.look_into(question["base_model"])
        if folder not in base.beside:
            base.beside[folder] = RewardScorer(folder, base.model.device, base.model, is_its=True)
        with base.read_as(None):
            asked = [(question["messages"], [text])]
            [scores] = base.beside[folder].scores(asked, TOKENS_PER_PASS)
    except (PolicyUnavailable, ChatError) as problem:
        return {"problem": str(problem)}
    except DAMAGE as problem:
        logger.exception("A text is not scored by %s", folder)
        return {"problem": brief(problem)}
    return {"score": float(scores[0])}
