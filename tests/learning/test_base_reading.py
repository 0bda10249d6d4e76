"""A reward model that is a head on the policy's base needs no model and no reading of its own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from annotation.lm.loading import load_causal_lm
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.group_packing import EncodedGroup
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy.base_reading import read_base
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.reward.probe import Head, LinearProbe, Recipe, reads
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import result_of, train_a_policy

CPU = torch.device("cpu")
PROMPTS = [user(f"Say {n}") for n in range(3)]
SEEDS = [[10 * n + k for k in range(3)] for n in range(3)]


@pytest.fixture
def policy(tiny: Path, probe: Path, tmp_path: Path) -> AdaptedPolicy:
    config = PolicyConfig(
        snapshot="-",
        base_model=str(tiny),
        reward_model=str(probe),
        output=str(tmp_path / "output"),
        max_new_tokens=12,
    )
    rows = [PromptRow(str(n), prompt, "train") for n, prompt in enumerate(PROMPTS)]
    made = AdaptedPolicy(config, CPU, rows)
    for name, weight in made.adapted.named_parameters():
        if "lora_B" in name:  # a fresh adapter changes nothing: this one does
            torch.nn.init.normal_(weight, std=0.5)
    return made


def test_the_backbone_is_known_by_its_weights(tiny: Path, probe: Path) -> None:
    base = load_causal_lm(str(tiny), torch.float32)
    assert reads(str(probe), base)
    next(base.parameters()).data[0] += 1
    assert not reads(str(probe), base)


def test_no_second_model_is_loaded(policy: AdaptedPolicy) -> None:
    assert policy.scorer is not None
    assert policy.scorer.reads_base
    assert policy.scorer.model.network is policy.network


@pytest.mark.parametrize("tokens", [512, 16])
def test_answers_are_judged_as_by_a_model_of_its_own(
    policy: AdaptedPolicy, probe: Path, tokens: int
) -> None:
    object.__setattr__(policy.config, "tokens_per_batch", tokens)
    rollouts = policy.rollouts(PROMPTS, SEEDS)
    assert any(rollout.ended.min() == 0 for rollout in rollouts)  # one was cut, too
    alone = RewardScorer(str(probe), CPU)
    for rollout in rollouts:
        spelled = alone.chat.group_ids(rollout.prompt, rollout.texts)[1]
        as_sampled = [
            tokens == answer or tokens == [*answer, alone.chat.end_of_turn]
            for tokens, answer in zip(spelled, rollout.group.answers, strict=True)
        ]
        [judged] = alone.judge([(rollout.prompt, rollout.texts)], 512)
        same = torch.tensor(as_sampled)
        assert torch.allclose(rollout.scores[same], judged.scores[same], atol=1e-4)
        assert torch.allclose(rollout.of_length[same], judged.of_length[same], atol=1e-4)


@pytest.mark.parametrize("tokens", [512, 16])
def test_the_reference_is_the_base_s_own_reading(policy: AdaptedPolicy, tokens: int) -> None:
    object.__setattr__(policy.config, "tokens_per_batch", tokens)
    rollouts = policy.rollouts(PROMPTS, SEEDS)
    for experience in policy.experiences(rollouts):
        with torch.no_grad(), policy.adapted.disable_adapter():
            alone = policy.log_probs(experience.batch)
        assert torch.allclose(experience.reference, alone, atol=1e-4)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
@pytest.mark.parametrize("tokens", [512, 16])
def test_what_of_a_score_is_the_words_is_what_the_head_makes_of_all_together(
    policy: AdaptedPolicy, tokens: int, pooling: str
) -> None:
    first = policy.scorer.model if policy.scorer else None
    assert isinstance(first, LinearProbe)
    hidden = first.network.config.hidden_size
    if pooling == "mean":
        layers, query = first.reader.layers, None
    else:
        layers, query = first.reader.layers[:1], torch.randn(hidden)
    width = hidden * len(layers)
    recipe = Recipe(layers, (pooling,), length=False)
    head = Head(recipe, torch.randn(width), torch.eye(width), query)
    probe = LinearProbe(first.network, 512, head)
    groups = [
        EncodedGroup(*policy.chat.group_ids(prompt, ["one", "a second one"])) for prompt in PROMPTS
    ]
    read = read_base(policy.log_probs, probe, policy.layout, groups, policy.chat.pad, tokens=tokens)
    for each, group in zip(read, groups, strict=True):
        assert [len(words) + 1 for words in each.words] == [len(one) for one in group.answers]
        sums = torch.stack([words.sum() for words in each.words]) + each.end
        scores = probe.head.scores(each.features)
        assert torch.allclose(sums, scores - scores.mean(), atol=1e-3)


def test_an_answer_alone_has_no_credit(policy: AdaptedPolicy) -> None:
    for rollout in policy.rollouts(PROMPTS, [seeds[:1] for seeds in SEEDS]):
        assert [each.tolist() for each in rollout.credits] == [
            [0.0] * len(rollout.group.answers[0])
        ]


def test_a_model_of_another_base_is_a_second_one(tiny: Path, probe: Path, tmp_path: Path) -> None:
    other = load_causal_lm(str(tiny), torch.float32)
    next(other.parameters()).data.mul_(1.5)
    scorer = RewardScorer(str(probe), CPU, other)
    assert not scorer.reads_base
    assert scorer.model.network is not other


def test_the_length_s_part_can_be_left_out_of_what_a_policy_is_taught_by(
    policy: AdaptedPolicy,
) -> None:
    whole = policy.rollouts(PROMPTS, SEEDS)
    policy.config = replace(policy.config, without_length=True)
    without = policy.rollouts(PROMPTS, SEEDS)
    assert any(each.of_length.abs().max() > 0.01 for each in whole)
    for all_of_it, rest in zip(whole, without, strict=True):
        assert rest.of_length.tolist() == [0.0] * len(SEEDS[0])
        assert torch.allclose(rest.scores, all_of_it.scores - all_of_it.of_length, atol=1e-5)
        assert torch.allclose(rest.rewards, all_of_it.rewards - all_of_it.of_length, atol=1e-5)


def test_a_run_says_where_its_gain_comes_from(
    tiny: Path, probe: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    output = tmp_path / "adapter"
    snapshot = write_rows(shorter_is_better(12))
    settings = {"steps": 2, "max_new_tokens": 24, "uncertainty_price": 1.0}
    assert train_a_policy(output, snapshot, tiny, probe, **settings) == 0
    metrics = result_of(output)["metrics"]
    gain = metrics["gain"]
    change = metrics["new"]["reward"] - metrics["parent"]["reward"]
    assert gain["reward"] == pytest.approx(change)
    parts = gain["judged"] + gain["length"] + gain["doubt"] + gain["ends"]
    assert parts == pytest.approx(change, abs=1e-5)
    assert metrics["new"]["for_doubt"] > 0
    assert gain["doubt"] == metrics["parent"]["for_doubt"] - metrics["new"]["for_doubt"]
    assert metrics["new"]["kl_per_token"] == pytest.approx(
        metrics["new"]["kl"] / metrics["new"]["tokens"]
    )
