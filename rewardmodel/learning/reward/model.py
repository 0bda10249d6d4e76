"""The reward model: a language model's backbone with a scalar head on each answer's end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from jaxtyping import Float
from peft import PeftModel, TaskType
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

from annotation.exchange.wording import gettext_noop
from annotation.lm.chat import Chat, Messages
from annotation.lm.context import within_context
from annotation.lm.loading import (
    PolicyUnavailable,
    load_tokenizer,
    loading,
    require_causal_lm,
    require_embeddings,
)
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.adapters import with_fresh_adapter
from rewardmodel.learning.core.distributed import float32
from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, Layout
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.passes import read_answers

logger = logging.getLogger(__name__)

GROUP_TOKENS = RewardConfig.group_tokens
PADDING = "<|padding|>"
NO_CLASSIFIER = gettext_noop("{name} cannot become a reward model: {problem}")
NO_REWARD_MODEL = gettext_noop("There is no reward model at {name}: {problem}")
NO_SCALE = gettext_noop(
    "The model at {name} is no reward model of stage 3: its configuration has no reward_mean and "
    "reward_std."
)
COMPARED = ("Yes, it is.", "- one\n- two  ", "你好", "<s> </s> <|im_end|>", "")


class RewardModel(nn.Module):
    """Scores the answers of packed groups with a sequence-classification model of one label."""

    def __init__(self, classifier: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.classifier = classifier

    @property
    def network(self) -> PreTrainedModel:
        """The classifier, out of its adapter wrapper."""
        if isinstance(self.classifier, PeftModel):
            return cast(PreTrainedModel, self.classifier.get_base_model())
        return self.classifier

    def forward(self, batch: GroupBatch) -> Float[Tensor, " N"]:
        """One reward an answer, read at its end-of-turn token."""
        score, read = cast(nn.Linear, self.network.score), self.read(batch)
        with float32(read.device):
            rewards = cast(Tensor, score(read.float()).squeeze(-1))
        return rewards.clone()  # no view: FSDP's hooks hang on what is returned

    def read(self, batch: GroupBatch) -> Float[Tensor, "N width"]:
        """What the head is given of each answer."""
        hidden = self.network.base_model(**batch.inputs).last_hidden_state
        return cast(Tensor, hidden.flatten(0, 1)[batch.ends])

    @property
    def group_tokens(self) -> int:
        """The most tokens of a prompt and an answer."""
        return int(self.network.config.group_tokens)

    def choose_layout(self, longest: int) -> Layout:
        """By what the head is given, since a fresh one scores all 0. `longest`: tokens of a row."""
        return choose_layout(self.read, self.network, longest)


def load_classifier(name: str, template: str, **settings: Any) -> PreTrainedModel:
    """The weights in float32 on the CPU. Raises PolicyUnavailable with the template."""
    with loading(name, template):
        return cast(
            PreTrainedModel,
            AutoModelForSequenceClassification.from_pretrained(
                name,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                **settings,
            ),
        )


def reward_chat(base_model: str) -> Chat:
    """The base model's, with a token of its own to pad with where it has none: a classifier takes
    what is not padding for the end of an answer. Raises PolicyUnavailable."""
    tokenizer = load_tokenizer(base_model)
    chat = Chat(tokenizer)
    if chat.pad != chat.end_of_turn:
        return chat
    tokenizer.add_special_tokens({"pad_token": PADDING})
    return Chat(tokenizer)


def compare_with_plain_tokens(chat: Chat) -> None:
    """Logs where plain transformers, given what is saved of the tokenizer, reads other tokens than
    are read here."""
    with TemporaryDirectory() as folder:
        chat.save(Path(folder))
        plain = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    for text in COMPARED:
        prompt, [answer] = chat.group_ids([{"role": "user", "content": text}], [text])
        said = [{"role": role, "content": text} for role in ("user", "assistant")]
        if plain.apply_chat_template(said, return_dict=False) != prompt + answer:
            logger.warning(
                "Plain transformers will read %r as other tokens than training reads, and may "
                "score it otherwise: score with RewardScorer.",
                text,
            )


def new_reward_model(
    base_model: str, chat: Chat, lora_rank: int | None, group_tokens: int = GROUP_TOKENS
) -> RewardModel:
    """The base model with a fresh head that scores 0, in float32; all weights train without LoRA.

    Its config says how many `group_tokens` a prompt and an answer may have, in training and in
    scoring alike. Raises PolicyUnavailable.
    """
    kind = require_causal_lm(base_model)
    if kind not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        problem = f"transformers has no classifier of the kind {kind!r}."
        raise PolicyUnavailable(NO_CLASSIFIER, name=base_model, problem=problem)
    classifier = load_classifier(base_model, NO_CLASSIFIER, num_labels=1)
    if not isinstance(getattr(classifier, "score", None), nn.Linear):
        raise PolicyUnavailable(
            f"{type(classifier).__name__} has no linear 'score' head; use another base model."
        )
    require_embeddings(classifier, chat)
    if chat.pad >= cast(nn.Embedding, classifier.get_input_embeddings()).num_embeddings:
        classifier.resize_token_embeddings(chat.pad + 1, mean_resizing=False)
    classifier.config.get_text_config().pad_token_id = chat.pad
    classifier.config.group_tokens = within_context(classifier, group_tokens, "group_tokens")
    head = cast(nn.Linear, classifier.score)
    nn.init.zeros_(head.weight)
    if lora_rank is None:
        return RewardModel(classifier)
    return RewardModel(with_fresh_adapter(classifier, lora_rank, TaskType.SEQ_CLS))


def save_reward_model(
    model: RewardModel, chat: Chat, folder: Path, reward_mean: float, reward_std: float
) -> None:
    """Writes an ordinary sequence-classification model; the adapter is merged for good.

    The mean and the standard deviation of the training answers' rewards go into its config,
    since the head has no bias.
    """
    merged = model.classifier
    if isinstance(merged, PeftModel):
        merged = cast(PreTrainedModel, merged.merge_and_unload())
    merged.config.reward_mean = reward_mean
    merged.config.reward_std = reward_std
    merged.save_pretrained(folder)
    chat.save(folder)


def load_reward_model(folder: str) -> tuple[RewardModel, float, float]:
    """The model on the CPU, with the mean and the deviation of its rewards.

    Raises PolicyUnavailable when the folder holds no reward model.
    """
    classifier = load_classifier(folder, NO_REWARD_MODEL)
    config = classifier.config
    config.group_tokens = getattr(config, "group_tokens", GROUP_TOKENS)
    try:
        return RewardModel(classifier), float(config.reward_mean), float(config.reward_std)
    except (AttributeError, TypeError, ValueError) as error:
        raise PolicyUnavailable(NO_SCALE, name=folder) from error


def encode(chat: Chat, prompt: Messages, answers: Sequence[str]) -> EncodedGroup:
    """A group's tokens, whole."""
    return EncodedGroup(*chat.group_ids(prompt, answers))


def score_groups(
    model: RewardModel, layout: Layout, groups: Sequence[EncodedGroup], pad: int, tokens: int
) -> list[Float[Tensor, " _"]]:
    """Raw rewards of each group's K answers, on the CPU; `tokens` bounds one forward pass."""
    return read_answers(model, model.network.device, layout, groups, pad, tokens)
