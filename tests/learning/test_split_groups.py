"""A group that a pass has no room for is read in parts: the same gradient, bounded memory."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from annotation.lm.chat import Message
from rewardmodel.learning.configs import PolicyConfig, RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout, pack, unpack
from rewardmodel.learning.core.passes import in_budget, parts_of
from rewardmodel.learning.core.snapshot import read_groups
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.policy.algorithms import new_algorithm
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import Rollout
from rewardmodel.learning.reward.model import (
    RewardModel,
    new_reward_model,
    reward_chat,
    score_groups,
)
from rewardmodel.learning.reward.preferences import preference_target
from rewardmodel.learning.reward.training_set import encode_training_set
from rewardmodel.learning.train_reward import fit
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import result_of, train_reward_model, weights_of

CPU = torch.device("cpu")
MANY = EncodedGroup([1, 2, 3], [[5] * length for length in (4, 4, 9, 1, 2, 2)])
PROMPTS: list[list[Message]] = [user("Hi"), user("A longer question?"), user("And?")]


def test_parts_are_as_large_as_a_pass_has_room_for() -> None:
    [first, second, third, whole] = parts_of([MANY, EncodedGroup([1], [[2]])], 11, pack)
    assert [len(part.encoded.answers) for part in (first, second, third)] == [2, 1, 3]
    assert [part.answers for part in (first, second, third)] == [
        range(2),
        range(2, 3),
        range(3, 6),
    ]
    assert (first.is_whole, whole.is_whole, whole.group) == (False, True, 1)
    answers = [answer for part in (first, second, third) for answer in part.encoded.answers]
    assert answers == MANY.answers


@pytest.mark.parametrize("layout", [pack, unpack])
@pytest.mark.parametrize("tokens", [1, 8, 16, 40])
def test_no_pass_is_larger_than_the_budget_unless_it_is_one_answer(
    layout: Layout, tokens: int
) -> None:
    parts = [part.encoded for part in parts_of([MANY] * 3, tokens, layout)]
    for batch in in_budget(parts, tokens, layout):
        chosen = [parts[i] for i in batch]
        assert layout.tokens(chosen) <= tokens or [len(g.answers) for g in chosen] == [1]


@pytest.fixture
def model(tiny: Path) -> RewardModel:
    """One that has learned something, or its gradient would be 0 but in the head."""
    made = new_reward_model(str(tiny), reward_chat(str(tiny)), 4).eval()
    torch.nn.init.normal_(made.network.score.weight, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type,union-attr]
    assert made.choose_layout(512) is pack
    return made


def reward_config(snapshot: Path, tokens: int) -> RewardConfig:
    return RewardConfig(
        snapshot=str(snapshot),
        base_model="",
        output="",
        tokens_per_batch=tokens,
        rating_margin=1.0,
        gradient_clip=1e9,
    )


def assert_the_same(whole: dict[str, Tensor], split: dict[str, Tensor]) -> None:
    """To 1e-5 of the largest gradient of a weight."""
    assert whole.keys() == split.keys()
    largest = max(float(gradient.abs().max()) for gradient in whole.values())
    assert largest > 1e-3
    assert max(float((whole[n] - split[n]).abs().max()) for n in whole) <= 1e-5 * largest


@pytest.mark.parametrize("layout", [pack, unpack])
def test_the_gradient_of_a_reward_model_is_the_same_in_parts(
    layout: Layout, model: RewardModel, write_rows: Callable[[Rows], Path], tiny: Path
) -> None:
    snapshot = write_rows(shorter_is_better(8))
    chat, largest = reward_chat(str(tiny)), []

    def step(tokens: int) -> tuple[dict[str, Tensor], dict[str, float]]:
        config = reward_config(snapshot, tokens)
        rows = read_groups(snapshot, 0)
        targets = [preference_target(row, config, CPU) for row in rows.train]
        data = encode_training_set(config, rows, targets, chat, 512)
        trainer = Trainer(Processes(), model, config, 1e-9, 1)
        hook = model.register_forward_pre_hook(
            lambda _, given: largest.append(given[0].input_ids.numel())
        )
        gradients: dict[str, Tensor] = {}
        trainer.optimizer.register_step_pre_hook(
            lambda *_: gradients.update(
                {n: p.grad.clone() for n, p in trainer.parameters.items() if p.grad is not None}
            )
        )
        [(_, metrics)] = fit(config, trainer, layout, data, range(len(data.groups)))
        hook.remove()
        return gradients, metrics

    whole, said = step(tokens=4096)
    most = max(largest)
    largest.clear()
    split, said_in_parts = step(tokens=20)
    assert max(largest) <= 60 < most
    assert_the_same(whole, split)
    for name in ("loss", "accuracy"):
        assert said_in_parts[name] == pytest.approx(said[name], abs=1e-6)


def test_scores_are_the_same_in_parts(model: RewardModel) -> None:
    groups = [MANY, EncodedGroup([4], [[5, 2], [6, 7, 2]])]
    whole, split = (score_groups(model, pack, groups, 0, tokens) for tokens in (4096, 3))
    assert all(
        torch.allclose(a, b, rtol=1e-5, atol=1e-4) for a, b in zip(whole, split, strict=True)
    )


@pytest.mark.parametrize(
    ("algorithm", "credit"), [("rloo", "token"), ("rloo", "answer"), ("ppo", "token")]
)
@pytest.mark.parametrize("layout", [pack, unpack])
def test_the_gradient_of_a_policy_is_the_same_in_parts(
    layout: Layout, algorithm: str, credit: str, tiny: Path, reward_model: Path
) -> None:
    def step(tokens: int) -> tuple[dict[str, Tensor], int]:
        torch.manual_seed(0)
        config = PolicyConfig(
            snapshot="",
            base_model=str(tiny),
            output="",
            reward_model=str(reward_model),
            algorithm=algorithm,
            credit=credit,
            tokens_per_batch=tokens,
            beta=0.5,
        )
        rows = [PromptRow(str(n), prompt, "train") for n, prompt in enumerate(PROMPTS)]
        policy = AdaptedPolicy(config, CPU, rows)
        policy.layout = layout
        for name, parameter in policy.adapted.named_parameters():
            if "lora" in name:  # differs from the reference
                parameter.data = 0.05 * torch.randn(parameter.shape)
        made = new_algorithm(config, policy)
        trainer = Trainer(Processes(), made.module, config, 1e-3, 1)
        experiences = made.prepare(list(policy.experiences(rollouts(policy))))
        for experience in trainer.passes(experiences):
            new = made.read(trainer.module, experience.batch)
            trainer.backward(made.loss(new, new.detached(), experience) / 15)
        found = {n: p.grad.clone() for n, p in trainer.parameters.items() if p.grad is not None}
        return found, max(e.batch.input_ids.numel() for e in experiences)

    (whole, most), (split, largest) = step(4096), step(20)
    assert largest <= 60 < most
    assert_the_same(whole, split)


def rollouts(policy: AdaptedPolicy) -> list[Rollout]:
    """Five answers to each prompt, of other lengths and worth."""
    generator = torch.Generator().manual_seed(0)
    texts = [["one", "second", "third answer", "4", "a fifth"] for _ in PROMPTS]
    return [
        Rollout(
            prompt,
            said,
            EncodedGroup(ids, answers),
            torch.randn(5, generator=generator),
            torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0]),
            torch.randn(5, generator=generator),
            credits=[torch.randn(len(answer), generator=generator) for answer in answers],
        )
        for prompt, said in zip(PROMPTS, texts, strict=True)
        for ids, answers in [policy.chat.group_ids(prompt, said)]
    ]


def test_training_in_parts_makes_the_model_that_training_in_one_makes(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    snapshot = write_rows(shorter_is_better(8))
    outputs = {tokens: tmp_path / str(tokens) for tokens in (4096, 17)}
    for tokens, output in outputs.items():
        settings = {"minimum_steps": 4, "learning_rate": 1e-3, "tokens_per_batch": tokens}
        assert train_reward_model(output, snapshot, tiny, **settings) == 0
    whole, split = (weights_of(output) for output in outputs.values())
    assert all(torch.allclose(whole[n], split[n], atol=1e-4) for n in whole)
    losses = [result_of(output)["metrics"]["heldout"]["log_loss"] for output in outputs.values()]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
