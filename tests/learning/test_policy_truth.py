"""The policy update against what can be known without it: by hand, from TRL, and by optimum."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from annotation.lm.chat import Chat
from annotation.lm.loading import load_tokenizer
from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.group_packing import EncodedGroup, GroupBatch, pack
from rewardmodel.learning.core.snapshot_rows import PromptRow
from rewardmodel.learning.policy import model as model_module
from rewardmodel.learning.policy.algorithms import Algorithm, Ppo, Rloo, TokenRloo
from rewardmodel.learning.policy.divergence_price import DivergencePrice
from rewardmodel.learning.policy.experience import Experience, Reading
from rewardmodel.learning.policy.losses import rloo_advantages, token_credits, token_rewards
from rewardmodel.learning.policy.metrics import PolicyMetrics
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.policy.rollout import Rollout
from rewardmodel.learning.policy.value_function import ValueFunction
from rewardmodel.learning.reward.model import new_reward_model, save_reward_model
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import user
from tests.tiny import build_tiny_tokenizer

PROMPTS = [user("Hi"), user("A longer question?")]
ANSWERS = [["one", "second", "third answer", "4"], ["a", "bb", "cc and more", "dddd"]]
SCORES = [[0.3, -1.0, 2.0, 0.5], [1.5, 0.0, -0.25, 0.75]]
CPU = torch.device("cpu")


class NoScorer:
    """The scores here are given."""

    def __init__(self, folder: str, device: torch.device) -> None:
        self.chat = Chat(build_tiny_tokenizer())


@pytest.fixture
def config(tiny: Path) -> PolicyConfig:
    return PolicyConfig(
        snapshot="",
        base_model=str(tiny),
        output="",
        reward_model="",
        answers_per_prompt=4,
        beta=0.1,
    )


@pytest.fixture
def policy(config: PolicyConfig, monkeypatch: pytest.MonkeyPatch) -> AdaptedPolicy:
    """The tiny model with an adapter that already differs from its reference."""
    monkeypatch.setattr(model_module, "RewardScorer", NoScorer)
    rows = [PromptRow(str(number), prompt, "train") for number, prompt in enumerate(PROMPTS)]
    adapted = AdaptedPolicy(config, CPU, rows)
    generator = torch.Generator().manual_seed(0)
    for parameter in trained(adapted).values():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return adapted


def trained(policy: AdaptedPolicy) -> dict[str, Tensor]:
    return {n: p for n, p in policy.adapted.named_parameters() if p.requires_grad}


def fixed_rollouts(policy: AdaptedPolicy) -> list[Rollout]:
    return [
        Rollout(
            prompt=prompt,
            texts=texts,
            group=EncodedGroup(*policy.chat.group_ids(prompt, texts)),
            scores=torch.tensor(scores),
            ended=torch.ones(4),
            rewards=torch.tensor(scores),
        )
        for prompt, texts, scores in zip(PROMPTS, ANSWERS, SCORES, strict=True)
    ]


def plain_log_probs(policy: AdaptedPolicy, prompt: list[int], answer: list[int]) -> Tensor:
    """Each answer token's, from an ordinary forward pass of that answer alone."""
    logits = policy.network(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    found: Tensor = logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None])[:, 0]
    return found


def test_divergence_is_the_log_probability_less_the_references(policy: AdaptedPolicy) -> None:
    for experience in policy.measured(fixed_rollouts(policy)):
        read = [(r.group.prompt, answer) for r in experience.rollouts for answer in r.group.answers]
        for (prompt, answer), divergence in zip(read, experience.divergence, strict=True):
            with torch.no_grad():
                own = plain_log_probs(policy, prompt, answer).sum()
                with policy.adapted.disable_adapter():
                    reference = plain_log_probs(policy, prompt, answer).sum()
            assert divergence.item() == pytest.approx((own - reference).item(), abs=1e-4)
            assert abs(divergence.item()) > 1e-3


def test_two_answers_by_hand(config: PolicyConfig, policy: AdaptedPolicy) -> None:
    """Worth 2 - 0.1 * 3 = 1.7 and 1 - 0.1 * -1 = 1.1: advantages 0.6 and -0.6."""
    group = EncodedGroup([1, 2], [[5, 6], [7]])
    rollout = Rollout(
        PROMPTS[0],
        ["", ""],
        group,
        torch.tensor([2.0, 1.0]),
        torch.ones(2),
        torch.tensor([2.0, 1.0]),
    )
    old = Reading(torch.tensor([-1.5, -2.5, -2.0]))
    experience = Experience([rollout], pack([group], 0), torch.tensor([-3.0, -4.0, -1.0]), old=old)
    assert experience.divergence.tolist() == [3.0, -1.0]
    later = torch.tensor([-1.5, -2.5 + math.log(1.5), -2.0 + math.log(0.9)], requires_grad=True)
    loss = Rloo(config, policy.log_probs).loss(Reading(later), old, experience)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(-(1.2 * 0.6 + 0.9 * -0.6), rel=1e-5)
    assert later.grad is not None
    assert later.grad.tolist() == pytest.approx([0, 0, 0.9 * 0.6], rel=1e-5)


def test_one_updates_gradient_is_that_of_trls_rloo(
    config: PolicyConfig, policy: AdaptedPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollouts = fixed_rollouts(policy)
    algorithm = Rloo(config, policy.log_probs)
    for experience in list(policy.experiences(rollouts)):
        new = algorithm.read(algorithm.module, experience.batch)
        (algorithm.loss(new, new.detached(), experience) / 8).backward()  # type: ignore[no-untyped-call]
    ours = {n: p.grad.clone() for n, p in trained(policy).items() if p.grad is not None}
    policy.adapted.zero_grad()

    theirs = trl_gradients(policy, tmp_path, monkeypatch)
    assert ours.keys() == theirs.keys()
    whole = torch.cat([g.flatten() for g in theirs.values()]).norm()
    apart = torch.cat([(ours[n] - theirs[n]).flatten() for n in ours]).norm()
    assert whole > 0.1
    assert apart / whole < 1e-4


def trl_gradients(
    policy: AdaptedPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Tensor]:
    """What TRL's own scoring and loss give for the fixed answers; only sampling is replaced."""
    rollouts = fixed_rollouts(policy)
    arguments = RLOOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=8,
        num_generations=4,
        beta=0.1,
        max_completion_length=20,
        use_cpu=True,
        bf16=False,
        report_to=[],
        gradient_checkpointing=False,
    )
    given = {text: s for r in rollouts for text, s in zip(r.texts, r.scores.tolist(), strict=True)}

    def score(completions: list[list[dict[str, str]]], **_: Any) -> list[float | None]:
        return [given[completion[0]["content"]] for completion in completions]

    trainer = RLOOTrainer(
        model=policy.adapted,
        reward_funcs=score,
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in PROMPTS]),
        processing_class=policy.chat.tokenizer,
    )
    policy.adapted.delete_adapter("ref")  # the reference is the base here, not the adapter's start
    answers = [answer for r in rollouts for answer in r.group.answers]
    monkeypatch.setattr(trainer, "_generate_single_turn", lambda *_: answers)
    trainer.current_gradient_accumulation_steps = 1
    rows: list[dict[str, Any]] = [{"prompt": r.prompt} for r in rollouts for _ in r.texts]
    policy.adapted.train()  # TRL scores in this mode; the tiny model has no dropout
    inputs = trainer._generate_and_score_completions(rows)
    trainer.compute_loss(policy.adapted, inputs).backward()
    return {n: p.grad for n, p in trained(policy).items() if p.grad is not None}


class TwoTokens(torch.nn.Module):
    """A policy of one decision: the logits of two tokens. The reference is indifferent."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(2))

    def forward(self, batch: GroupBatch) -> Tensor:
        return self.logits.log_softmax(0)[batch.targets]

    def experience(self, count: int) -> Experience:
        """Answers of one token each, sampled; the second token is worth 1, the first nothing."""
        chosen = torch.multinomial(self.logits.detach().softmax(0), count, replacement=True)
        group = EncodedGroup([0], [[token] for token in chosen.tolist()])
        rollout = Rollout(
            user(""), [""] * count, group, chosen.float(), torch.ones(count), chosen.float()
        )
        return Experience([rollout], pack([group], 0), torch.full((count,), -math.log(2)))


class Constant(torch.nn.Module):
    """The value of the only state there is."""

    def __init__(self) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def forward(self, batch: GroupBatch) -> Tensor:
        return self.value.expand(len(batch.targets))


@pytest.mark.parametrize(("name", "epochs"), [("rloo", 1), ("rloo", 3), ("ppo", 1), ("ppo", 3)])
def test_the_optimum_of_a_two_token_problem_is_reached(
    config: PolicyConfig, name: str, epochs: int
) -> None:
    """Reward less beta times KL is greatest at p ~ reference * exp(reward / beta)."""
    torch.manual_seed(0)
    toy: Any = TwoTokens()
    config = replace(config, beta=0.5, value_weight=1.0)
    algorithm: Algorithm = Rloo(config, toy) if name == "rloo" else Ppo(config, toy, Constant())
    optimizer = torch.optim.Adam(algorithm.module.parameters(), lr=0.03)
    for _ in range(200):
        experience = toy.experience(64)
        for _ in range(epochs):
            optimizer.zero_grad()
            new = algorithm.read(algorithm.module, experience.batch)
            loss = algorithm.loss(new, experience.old_or(new), experience) / 64
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    best = 1 / (1 + math.exp(-1 / 0.5))
    assert toy.logits.softmax(0)[1].item() == pytest.approx(best, abs=0.03)


def test_a_words_credit_is_what_it_and_the_next_ones_have_beside_the_other_answer() -> None:
    """Of 1 and 0.9 words have 0.75 and 0.4, the end 0.05 and 0.25, and a rest 0.2 and 0.25."""
    words = [torch.tensor([0.25, 0.5]), torch.tensor([0.1, 0.3])]
    rewards, at_end = torch.tensor([1.0, 0.9]), torch.tensor([0.05, 0.25])
    first, second = token_credits(rewards, words, at_end, [3, 2], decay=0.5)
    assert first.tolist() == pytest.approx([0.05 + 0.15 - 0.05 - 0.05, 0.3 - 0.1 - 0.05, -0.25])
    assert second.tolist() == pytest.approx(
        [-0.275 + 0.5 * (-0.075 + 0.2) + 0.05, -0.075 + 0.2 + 0.05]
    )


def test_unfading_credit_is_rloos_advantage_at_the_first_token() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, at_end = torch.randn(2, 4, generator=generator)
    lengths = [3, 5, 1, 6]
    words = [torch.randn(length - 1, generator=generator) for length in lengths]
    found = token_credits(rewards, words, at_end, lengths, decay=1.0)
    first = torch.stack([each[0] for each in found])
    assert first.tolist() == pytest.approx(rloo_advantages(rewards).tolist(), abs=1e-5)


def test_what_nobody_can_tell_by_words_is_every_tokens() -> None:
    rewards, nothing = torch.tensor([2.0, 1.0]), torch.zeros(2)
    words = [torch.zeros(2), torch.zeros(3)]
    first, second = token_credits(rewards, words, nothing, [2, 3], decay=0.9)
    assert first.tolist() == [1, 1]
    assert second.tolist() == [-1, -1, -1]


def test_a_nat_costs_more_the_nearer_the_budget_is() -> None:
    price = DivergencePrice(beta=0.1, budget=10)
    assert price.now == 0.1
    price.follow(measured(0.0))
    assert price.now == 0.1
    price.follow(measured(8.0))
    assert price.now == pytest.approx(0.2)  # half of the way to the wall at 8
    price.follow(measured(8.0))
    assert price.now == pytest.approx(0.4)  # its mean fades: 6 of 8
    for _ in range(8):
        price.follow(measured(12.0))
    assert price.now == pytest.approx(2.0)
    resumed = DivergencePrice(beta=0.1, budget=10)
    resumed.restore(price.state())
    assert (resumed.now, resumed.rate) == pytest.approx((price.now, price.rate))


def test_what_a_parent_diverges_already_makes_no_nat_dearer() -> None:
    price = DivergencePrice(beta=0.1, budget=10)
    price.follow(measured(4.0))
    assert price.now == 0.1
    price.follow(measured(2.0))
    assert price.now == 0.1
    price.follow(measured(9.0))
    assert price.now == pytest.approx(0.2)  # its mean, 6, is half of the way from 4 to 8
    too_far = DivergencePrice(beta=0.1, budget=10)
    too_far.follow(measured(9.0))
    assert too_far.now == pytest.approx(2.0)


def measured(kl: float) -> PolicyMetrics:
    return PolicyMetrics(24, 0.0, 0.0, kl, 0.5, 40, kl_per_token=kl / 40)


def test_a_token_pays_for_its_own_divergence_alone(
    config: PolicyConfig, policy: AdaptedPolicy
) -> None:
    """Credits of 1 and -1; nats 1.5, 0.5 and -1 at a price of 0.1, beside a mean of 0.2."""
    group = EncodedGroup([1, 2], [[5, 6], [7]])
    rollout = replace(
        fixed_rollouts(policy)[0], group=group, credits=[torch.ones(2), -torch.ones(1)]
    )
    experience = Experience([rollout], pack([group], 0), torch.tensor([-3.0, -3.0, -1.0]))
    sampled = torch.tensor([-1.5, -2.5, -2.0])
    policy.price.rate = 0.2
    later = sampled.clone().requires_grad_()
    algorithm = TokenRloo(config, policy.log_probs, policy.price)
    algorithm.loss(Reading(later), Reading(sampled), experience).backward()  # type: ignore[no-untyped-call]
    assert later.grad is not None
    assert later.grad.tolist() == pytest.approx([-(1 - 0.13), -(1 - 0.03), 1 - 0.12])


def test_a_value_function_starts_as_the_reward_model(tiny: Path, tmp_path: Path) -> None:
    """The value before the token after the last one of an answer is that answer's reward."""
    chat = Chat(load_tokenizer(str(tiny)))
    model = new_reward_model(str(tiny), chat, None)
    torch.nn.init.normal_(model.network.score.weight, generator=torch.Generator().manual_seed(0))  # type: ignore[arg-type,union-attr]
    save_reward_model(model, chat, tmp_path / "model", 0.5, 2.0)
    prompt, [answer] = chat.group_ids(PROMPTS[0], ["yes"])
    values = ValueFunction(str(tmp_path / "model"), 4, CPU)(
        pack([EncodedGroup(prompt, [[*answer, 0], answer])], chat.pad)
    )
    [scores] = RewardScorer(str(tmp_path / "model"), CPU).scores([(PROMPTS[0], ["yes"])], 512)
    assert values[len(answer)].item() == pytest.approx(scores[0].item(), abs=1e-4)
    assert values[0].item() == pytest.approx(values[len(answer) + 1].item(), abs=1e-5)


def test_a_tokens_reward_is_its_divergence_and_the_answers_at_the_end() -> None:
    sampled, reference = torch.tensor([-1.0, -4.0, -2.0]), torch.tensor([-3.0, -4.0, -1.0])
    earned = token_rewards(sampled, reference, torch.tensor([2.0, 0.0]), [2, 1], beta=0.1)
    assert earned.tolist() == pytest.approx([-0.2, 2.0, 0.1])


def test_divergence_is_asked_for_only_after_the_policy_has_read_its_answers() -> None:
    group = EncodedGroup([1], [[2]])
    rollout = Rollout(PROMPTS[0], [""], group, torch.zeros(1), torch.ones(1), torch.zeros(1))
    with pytest.raises(RuntimeError, match="not read"):
        _ = Experience([rollout], pack([group], 0), torch.zeros(1)).divergence
