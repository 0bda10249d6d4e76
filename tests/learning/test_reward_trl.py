"""A saved reward model in TRL, the library that others use to train with one."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from datasets import Dataset
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer

from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import assistant, shorter_is_better, user
from tests.learning.runs import train_reward_model


@pytest.fixture(scope="module", params=["finetune", "distil"])
def trained(
    request: pytest.FixtureRequest, tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("trl")
    snapshot = folder / "snapshot.jsonl"
    snapshot.write_text("".join(json.dumps(row) + "\n" for row in shorter_is_better(8)))
    settings: dict[str, object] = {"method": request.param, "minimum_steps": 6}
    if request.param == "distil":
        assert train_reward_model(folder / "probe", snapshot, tiny, method="probe") == 0
        settings["teacher"] = folder / "probe"
    assert train_reward_model(folder / "model", snapshot, tiny, **settings) == 0
    return folder / "model"


def test_trl_gives_the_same_scores_as_reward_funcs(
    trained: Path, tiny: Path, tmp_path: Path
) -> None:
    prompts = [user("Say 3"), [*user("Say 4"), *assistant("dd"), *user("And 5")]]
    answers = ["aa", " a much longer answer "]
    config = RLOOConfig(
        output_dir=str(tmp_path),
        report_to=[],
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=2,
        num_generations=2,
    )
    trainer = RLOOTrainer(
        model=str(tiny),
        reward_funcs=str(trained),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
    )
    inputs: list[dict[str, Any]] = [{"prompt": prompt} for prompt in prompts]
    completions = [assistant(answer) for answer in answers]
    theirs = trainer._calculate_rewards(inputs, prompts, completions, [[], []])[:, 0]

    scorer = RewardScorer(str(trained), torch.device("cpu"))
    groups = [(prompt, [answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    normalised = torch.cat(scorer.scores(groups, tokens=512))
    ours = normalised * scorer.std + scorer.mean
    assert torch.allclose(cast(torch.Tensor, theirs), ours, atol=1e-4)
    assert ours[0] != ours[1]
