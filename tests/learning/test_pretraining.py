"""What pretraining helps: the same trainings from a pretrained and from a fresh model."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from annotation.lm.loading import load_causal_lm
from rewardmodel.learning import compare_pretraining, train_language, train_reward
from rewardmodel.learning.configs import PretrainingConfig
from rewardmodel.learning.core.script import run_script
from rewardmodel.learning.language.from_scratch import fresh_like
from tests.learning.conftest import demonstrations, many_a
from tests.learning.runs import Killed, failure_of, result_of

STARTS = ["pretrained", "fresh"]


def data(folder: Path) -> dict[str, Path]:
    rows = {"snapshot": many_a(), "demonstrations": demonstrations()}
    for name, each in rows.items():
        lines = "".join(json.dumps(row) + "\n" for row in each)
        (folder / f"{name}.jsonl").write_text(lines)
    return {name: folder / f"{name}.jsonl" for name in rows}


def compare(output: Path, base: Path, **fields: object) -> int:
    values = {"base_model": base, "output": output, "steps": 8, "evaluations": 4, "seed": 1}
    values |= {"learning_rate": 0.001, "fresh_learning_rate": 0.01, "max_new_tokens": 4, **fields}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in values.items()]
    return run_script(PretrainingConfig, compare_pretraining.compare, flags)


@pytest.fixture(scope="module")
def twice_begun(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Killed when the second stage began, and gone on with; what was begun before, and whatever of
    the first stage was begun again."""
    folder = tmp_path_factory.mktemp("pretraining")
    output, begun = folder / "report", []

    def die(_config: Any, run: Any) -> None:
        begun.append(run.name)
        raise Killed

    with pytest.MonkeyPatch.context() as dies:
        dies.setattr(train_reward, "train", die)
        with pytest.raises(Killed):
            compare(output, tiny, **data(folder))
    with pytest.MonkeyPatch.context() as dies:
        dies.setattr(train_language, "train", die)
        assert compare(output, tiny, **data(folder)) == 0
    return output, begun


def test_the_fresh_model_has_the_shape_of_the_other_and_its_own_weights(tiny: Path) -> None:
    like, again = (fresh_like(str(tiny), seed=1).state_dict() for _ in range(2))
    own = load_causal_lm(str(tiny), torch.float32).state_dict()
    assert {n: w.shape for n, w in like.items()} == {n: w.shape for n, w in own.items()}
    assert all(torch.equal(like[name], again[name]) for name in like)
    assert not torch.equal(like["model.embed_tokens.weight"], own["model.embed_tokens.weight"])


def test_both_learn_from_the_same_and_stand_side_by_side(
    twice_begun: tuple[Path, list[str]],
) -> None:
    result = result_of(twice_begun[0])
    metrics = result["metrics"]
    for start in STARTS:
        assert [step for step, _ in metrics["loss_curves"][start]] == [0, 2, 4, 6, 8]
        assert [each["groups"] for each in metrics["learning_curves"][start]] == [4, 9, 18]
        assert metrics["loss_curves"][start][-1][1] == metrics[start]["loss"]
        assert metrics["learning_curves"][start][-1]["accuracy"] == metrics[start]["accuracy"]
        assert 0 <= metrics[start]["heldout_without_length"]["accuracy"] <= 1
    first = [metrics["loss_curves"][start][0][1] for start in STARTS]
    assert first[0] != first[1]
    assert set(metrics["samples"][0]) == {"prompt", *STARTS}
    assert (result["output"], result["gate"]["code"]) == (None, "pretraining_report")


def test_a_killed_run_does_no_training_twice(twice_begun: tuple[Path, list[str]]) -> None:
    assert twice_begun[1] == ["reward-pretrained"]


def test_only_the_report_is_left(twice_begun: tuple[Path, list[str]]) -> None:
    assert not list(twice_begun[0].parent.rglob("*.safetensors"))


def test_without_anything_held_out_there_is_nothing_to_compare(tiny: Path, tmp_path: Path) -> None:
    rows = [{**row, "split": "train"} for row in demonstrations()]
    given, output = data(tmp_path), tmp_path / "report"
    given["demonstrations"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compare(output, tiny, **given, steps=1, evaluations=1) == 1
    assert "Nothing is held out to compare by" in failure_of(output)
