"""Any sequence-classification model with one label, read as plain transformers reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import jinja2
import torch
from jaxtyping import Float
from torch import Tensor
from transformers import BatchEncoding

from annotation.lm.chat import REFUSES, ChatError, Messages
from annotation.lm.context import context_of
from annotation.lm.loading import PolicyUnavailable, load_tokenizer
from rewardmodel.learning.reward.model import NO_REWARD_MODEL, load_classifier


class PlainClassifier:
    """Scores each answer alone: the tokenizer's own template, no padding, the model's own head."""

    def __init__(self, folder: str, device: torch.device) -> None:
        """Raises PolicyUnavailable where the folder holds no such model."""
        self.folder = folder
        self.tokenizer = load_tokenizer(folder)
        self.model = load_classifier(folder, NO_REWARD_MODEL)
        config, kinds = self.model.config, self.model.config.architectures or []
        if not any(kind.endswith("ForSequenceClassification") for kind in kinds):
            raise PolicyUnavailable(
                f"The model at {folder} is a {', '.join(kinds) or 'model of no kind'}: a reward "
                "model is a probe of stage 3, or a sequence-classification model with one label."
            )
        if config.num_labels != 1:
            raise PolicyUnavailable(
                f"The classifier at {folder} has {config.num_labels} labels; a reward model has 1."
            )
        self.model.to(device).train(False)  # type: ignore[arg-type]
        self.longest = context_of(self.model)

    @torch.no_grad()
    def raw_scores(
        self, groups: Sequence[tuple[Messages, Sequence[str]]], tokens: int
    ) -> list[Float[Tensor, " K"]]:
        """As the model gives them, on the CPU; an answer is a pass of its own, whatever `tokens`.

        What is longer than the model reads loses its start. Raises ChatError when the template
        refuses a conversation.
        """
        return [
            torch.stack([self._score(prompt, answer) for answer in answers])
            for prompt, answers in groups
        ]

    def _score(self, prompt: Messages, answer: str) -> Float[Tensor, ""]:
        asked = [{"role": message["role"], "content": message["content"]} for message in prompt]
        said = [*asked, {"role": "assistant", "content": answer}]
        try:
            read = self.tokenizer.apply_chat_template(said, return_dict=True, return_tensors="pt")
        except (jinja2.TemplateError, TypeError, ValueError, LookupError) as error:
            raise ChatError(REFUSES, problem=str(error)) from error
        ids = cast(BatchEncoding, read)["input_ids"][:, -(self.longest or 0) :]
        score = self.model(input_ids=ids.to(self.model.device)).logits[0, 0].float().cpu()
        if not score.isfinite():
            raise PolicyUnavailable(f"The reward model at {self.folder} gives no finite scores.")
        return cast(Tensor, score)
