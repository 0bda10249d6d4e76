"""A saved reward model reads in plain transformers what it read in training, for odd tokenizers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from annotation.lm.chat import Chat, Message
from annotation.lm.loading import load_tokenizer
from rewardmodel.learning.reward.metrics import preference_metrics
from rewardmodel.learning.reward.model import compare_with_plain_tokens
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, assistant, shorter_is_better, user
from tests.learning.runs import result_of, train_reward_model
from tests.learning.tiny_tokenizers import KINDS, MISTRAL, SPACED, with_one_special_token

Write = Callable[[Rows], Path]


def llama(tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def plain_scores(folder: Path, prompt: list[Message], answers: list[str]) -> Tensor:
    """As plain transformers scores a batch."""
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    conversations = [prompt + assistant(answer) for answer in answers]
    batch = tokenizer.apply_chat_template(
        conversations, padding=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        scores: Tensor = model(**batch).logits[:, 0]
    return scores


def gpt2(folder: Path) -> Path:
    tokenizer = with_one_special_token()
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, initializer_range=0.2
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


ANSWERS = ["aa!", "a much longer answer", "!!</s>!", ""]


@pytest.mark.parametrize("template", [MISTRAL, SPACED], ids=["mistral", "spaced"])
@pytest.mark.parametrize("kind", KINDS)
def test_plain_transformers_predicts_what_the_result_says(
    kind: str, template: str, tmp_path: Path, write_rows: Write
) -> None:
    tokenizer = KINDS[kind]()
    tokenizer.chat_template = template
    base, output = llama(tokenizer, tmp_path / "base"), tmp_path / "model"
    rows = shorter_is_better(12)
    assert train_reward_model(output, write_rows(rows), base, minimum_steps=6) == 0
    heldout = [row for row in rows if row["split"] == "heldout"]
    scores = [plain_scores(output, row["prompt"], row["answers"]) for row in heldout]
    found = preference_metrics(scores, [[r["ranks"] for r in row["rankings"]] for row in heldout])
    said = result_of(output)["metrics"]["heldout"]
    assert said["accuracy"] == pytest.approx(found.accuracy)
    assert said["log_loss"] == pytest.approx(found.log_loss, abs=1e-4)


def test_a_tokenizer_whose_only_special_token_ends_a_turn_gets_one_to_pad_with(
    tmp_path: Path, write_rows: Write
) -> None:
    base, output = gpt2(tmp_path / "base"), tmp_path / "model"
    assert train_reward_model(output, write_rows(shorter_is_better(4)), base, minimum_steps=2) == 0
    scorer = RewardScorer(str(output), torch.device("cpu"))
    [normalised] = scorer.scores([(user("Hi!"), ANSWERS)], tokens=512)
    ours = normalised * scorer.std + scorer.mean
    assert torch.allclose(ours, plain_scores(output, user("Hi!"), ANSWERS), atol=1e-4)
    assert len(set(ours.tolist())) == len(ANSWERS)


def test_no_ordinary_token_is_lost_for_padding(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(str(gpt2(tmp_path / "base")))
    chat = Chat(tokenizer)
    _, [ids] = chat.group_ids(user("Hi"), ["yes!"])
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert chat.answer_text(ids) == again.decode(ids, skip_special_tokens=True) == "yes!"


def test_what_is_saved_is_padded_on_the_right(tmp_path: Path) -> None:
    tokenizer = with_one_special_token()
    Chat(tokenizer).save(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).padding_side == "right"
    assert tokenizer.padding_side == "left"


def test_what_plain_transformers_would_read_otherwise_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Forgetful(Chat):
        def save(self, folder: Path) -> None:
            self.tokenizer.save_pretrained(folder)

    compare_with_plain_tokens(Chat(KINDS["byte level"]()))
    assert not caplog.messages
    compare_with_plain_tokens(Forgetful(KINDS["byte level"]()))
    assert "Plain transformers will read 'Yes, it is.' as other tokens" in caplog.text
