import random
from typing import Any, cast

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from annotation.lm.shared_prompt_attention import IMPLEMENTATION
from rewardmodel.learning.core.group_packing import (
    AnswerLogProbs,
    EncodedGroup,
    Layout,
    pack,
    truncate,
    unpack,
)
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.core.passes import in_budget
from rewardmodel.learning.reward.model import RewardModel

SIZES: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}


def built(config: PreTrainedConfig) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.set_attn_implementation(IMPLEMENTATION)
    return cast(PreTrainedModel, model.train(False))


@pytest.fixture(scope="module")
def network() -> PreTrainedModel:
    torch.manual_seed(0)
    return built(LlamaConfig(**SIZES))


@pytest.fixture(scope="module")
def groups() -> list[EncodedGroup]:
    """Groups of 2, 9 and 4 answers of uneven lengths; token 0, the padding, occurs in them."""
    generator = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [generator.randrange(99) for _ in range(count)]

    return [
        EncodedGroup(tokens(30), [tokens(1), tokens(14)]),
        EncodedGroup(tokens(3), [tokens(generator.randint(1, 12)) for _ in range(9)]),
        EncodedGroup(tokens(1), [tokens(5) for _ in range(4)]),
    ]


def test_packed_log_probabilities_equal_the_models_own(
    network: PreTrainedModel, groups: list[EncodedGroup]
) -> None:
    expected = []
    with torch.no_grad():
        for group in groups:
            for answer in group.answers:
                logits = network(torch.tensor([group.prompt + answer])).logits[0]
                log_probs = logits.log_softmax(-1)[len(group.prompt) - 1 : -1]
                expected.append(log_probs.gather(1, torch.tensor(answer)[:, None])[:, 0])
        packed = AnswerLogProbs(network)(pack(groups, 0))
    assert torch.allclose(packed, torch.cat(expected), atol=1e-5)


def test_packed_rewards_equal_the_classifiers_own(groups: list[EncodedGroup]) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES)
    config.num_labels = 1
    classifier = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    classifier.set_attn_implementation(IMPLEMENTATION)
    ended = [EncodedGroup(g.prompt, [[*answer, 98] for answer in g.answers]) for g in groups]
    with torch.no_grad():
        rewards = RewardModel(classifier.train(False))(pack(ended, 0))
        plain = [
            classifier(torch.tensor([group.prompt + answer])).logits[0, 0]
            for group in ended
            for answer in group.answers
        ]
    assert torch.allclose(rewards, torch.stack(plain), atol=1e-5)


def test_an_answer_does_not_see_the_others(
    network: PreTrainedModel, groups: list[EncodedGroup]
) -> None:
    changed = EncodedGroup(groups[1].prompt, [[7, 7, 7], *groups[1].answers[1:]])
    module = AnswerLogProbs(network)
    with torch.no_grad():
        before, after = (module(pack([group], 0)) for group in (groups[1], changed))
    assert torch.allclose(before[len(groups[1].answers[0]) :], after[3:], atol=1e-5)


def test_gradients_do_not_depend_on_the_layout(
    network: PreTrainedModel, groups: list[EncodedGroup]
) -> None:
    gradients = []
    for layout in (pack, unpack):
        network.zero_grad()
        AnswerLogProbs(network)(layout(groups, 0)).sum().backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    network.zero_grad()
    for packed, plain in zip(*gradients, strict=True):
        assert torch.allclose(packed, plain, atol=1e-3)


def test_a_transformer_reads_packed_groups(network: PreTrainedModel) -> None:
    assert choose_layout(AnswerLogProbs(network), network, 512) is pack


def test_a_module_whose_layouts_disagree_falls_back_to_rows(network: PreTrainedModel) -> None:
    class Random(nn.Module):
        def forward(self, batch: object) -> torch.Tensor:
            return torch.rand(22)

    assert choose_layout(Random(), network, 512) is unpack


def test_batches_keep_to_the_budget_and_miss_no_group(groups: list[EncodedGroup]) -> None:
    many = groups * 7
    batches = list(in_budget(many, 200, pack))
    assert sorted(i for batch in batches for i in batch) == list(range(21))
    assert all(
        len(batch) == 1 or pack([many[i] for i in batch], 0).input_ids.numel() <= 200
        for batch in batches
    )


@pytest.mark.parametrize("layout", [pack, unpack])
def test_a_layout_knows_how_many_tokens_its_rows_hold(
    layout: Layout, groups: list[EncodedGroup]
) -> None:
    assert layout.tokens(groups) == layout(groups, 0).input_ids.numel()


def test_a_group_beyond_the_budget_goes_alone(groups: list[EncodedGroup]) -> None:
    assert list(in_budget(groups[:1], 10, pack)) == [[0]]


def test_a_long_prompt_is_shortened_at_its_start() -> None:
    group = truncate(EncodedGroup(list(range(50)), [[1, 2, 3], [4]]), 10)
    assert group == EncodedGroup(list(range(43, 50)), [[1, 2, 3], [4]])


def test_a_long_answer_keeps_its_end_and_some_prompt() -> None:
    group = truncate(EncodedGroup([8, 9], [list(range(50))]), 10)
    assert group.prompt == [9]
    assert group.answers == [[*range(8), 49]]


def test_a_group_that_fits_stays_as_it_is(groups: list[EncodedGroup]) -> None:
    assert truncate(groups[0], 44) == groups[0]
