"""Learning straight from rankings against what can be known without it: TRL's gradient on the same
pairs, and the whole group's where it is read in parts; test_losses.py has values by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import Tensor
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

from rewardmodel.learning.configs import PolicyConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.group_packing import Layout, pack, unpack
from rewardmodel.learning.core.snapshot_rows import GroupRow, LabelerRanking
from rewardmodel.learning.core.trainer import Trainer
from rewardmodel.learning.policy.dpo import AnswerLikelihoods, fit, ranking_target
from rewardmodel.learning.policy.model import AdaptedPolicy
from rewardmodel.learning.reward.training_set import encode_rows
from tests.learning.conftest import user
from tests.learning.test_split_groups import assert_the_same

CPU = torch.device("cpu")
ROWS = [
    GroupRow(
        *("one", user("Hi"), "train", ["one", "second", "third answer", "4"]),
        [LabelerRanking("a", [1, 2, 2, 3]), LabelerRanking("b", [2, 1, 4, 3])],
    ),
    GroupRow(
        *("two", user("A longer question?"), "train", ["a", "bb", "cc and more"]),
        [LabelerRanking("a", [3, 1, 2])],
    ),
]
"""Of 4 answers with a tie and two labelers, and of 3: 5 + 6 + 3 pairs."""


def config_of(tiny: Path, **fields: Any) -> PolicyConfig:
    values = {"dpo_beta": 0.5, "gradient_clip": 1e9, "tokens_per_batch": 4096, **fields}
    return PolicyConfig(
        snapshot="", base_model=str(tiny), output="", algorithm="dpo", group_tokens=512, **values
    )


def moved_policy(config: PolicyConfig) -> AdaptedPolicy:
    """With an adapter that already differs from its reference."""
    torch.manual_seed(0)
    policy = AdaptedPolicy(config, CPU, [], longest=512)
    for parameter in trained(policy).values():
        parameter.data += 0.05 * torch.randn(parameter.shape)
    return policy


def trained(policy: AdaptedPolicy) -> dict[str, Tensor]:
    return {n: p for n, p in policy.adapted.named_parameters() if p.requires_grad}


def step(config: PolicyConfig, layout: Layout = pack) -> tuple[dict[str, Tensor], float, int]:
    """The gradient of one step over all rows, its loss, and the tokens of the largest pass."""
    policy = moved_policy(config)
    policy.layout = layout
    groups, _ = encode_rows(policy.chat, ROWS, 512)
    module = AnswerLikelihoods(policy.log_probs)
    trainer = Trainer(Processes(), module, config, 1e-9, 1)
    gradients: dict[str, Tensor] = {}
    names = {id(parameter): name for name, parameter in trained(policy).items()}
    trainer.optimizer.register_step_pre_hook(
        lambda *_: gradients.update(
            {
                names[id(p)]: p.grad.clone()
                for p in trainer.parameters.values()
                if p.grad is not None
            }
        )
    )
    read: list[int] = []
    module.register_forward_pre_hook(lambda _, given: read.append(given[0].input_ids.numel()))
    targets = [ranking_target(row, CPU) for row in ROWS]
    [(_, metrics)] = fit(config, trainer, policy, groups, targets)
    return gradients, metrics["loss"], max(read)


def test_a_steps_gradient_is_that_of_trls_dpo_on_the_same_pairs(tiny: Path, tmp_path: Path) -> None:
    config = config_of(tiny)
    ours, loss, _ = step(config)
    theirs, their_loss = trl_gradients(moved_policy(config), tmp_path)
    assert ours.keys() == theirs.keys()
    whole = torch.cat([g.flatten() for g in theirs.values()]).norm()
    apart = torch.cat([(ours[n] - theirs[n]).flatten() for n in ours]).norm()
    assert whole > 0.1
    assert apart / whole < 1e-4
    assert loss == pytest.approx(their_loss, abs=1e-5)
    assert abs(loss - math.log(2)) > 0.01


def trl_gradients(policy: AdaptedPolicy, folder: Path) -> tuple[dict[str, Tensor], float]:
    """What TRL's own loss gives for each labeler's strict pairs, of the same tokens."""
    trainer = DPOTrainer(
        model=policy.adapted,
        args=DPOConfig(
            output_dir=str(folder),
            beta=policy.config.dpo_beta,
            use_cpu=True,
            bf16=False,
            report_to=[],
            gradient_checkpointing=False,
        ),
        train_dataset=Dataset.from_list(
            [{"prompt": user("Hi"), "chosen": user("a"), "rejected": user("b")}]
        ),
        processing_class=policy.chat.tokenizer,
    )
    policy.adapted.delete_adapter("ref")  # the reference is the base here, not the adapter's start
    groups, _ = encode_rows(policy.chat, ROWS, 512)
    pairs = [
        {"prompt_ids": group.prompt, "chosen_ids": better, "rejected_ids": worse}
        for row, group in zip(ROWS, groups, strict=True)
        for ranking in row.rankings
        for better, above in zip(group.answers, ranking.ranks, strict=True)
        for worse, below in zip(group.answers, ranking.ranks, strict=True)
        if above and below and above < below
    ]
    assert len(pairs) == 5 + 6 + 3
    inputs = DataCollatorForPreference(policy.chat.pad)(pairs)
    loss = trainer.compute_loss(policy.adapted, inputs)  # type: ignore[no-untyped-call]
    loss.backward()
    return {n: p.grad for n, p in trained(policy).items() if p.grad is not None}, loss.item()


@pytest.mark.parametrize("kind", ["pairwise", "listwise"])
@pytest.mark.parametrize("layout", [pack, unpack])
def test_a_group_in_parts_has_the_whole_groups_gradient(
    layout: Layout, kind: str, tiny: Path
) -> None:
    fields = {"preference_loss": kind}
    whole, loss, most = step(config_of(tiny, **fields), layout)
    split, loss_in_parts, largest = step(config_of(tiny, tokens_per_batch=12, **fields), layout)
    assert largest <= 36 + 18 < most
    assert_the_same(whole, split)
    assert loss_in_parts == pytest.approx(loss, abs=1e-5)
