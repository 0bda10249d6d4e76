"""Two processes learn what one learns, each with all weights or with shares of them (FSDP),
and say why they fail.

test_reward_options.py has the reward model with all weights on each.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from rewardmodel.learning import train_language, train_policy, train_reward
from rewardmodel.learning.core.run_folder import RunFolder
from tests.learning import second_fails
from tests.learning.conftest import Rows, shorter_is_better
from tests.learning.runs import (
    failure_of,
    in_two_processes,
    learn_from_rankings,
    on_two_machines,
    result_of,
    train_a_policy,
    train_reward_model,
    weights_of,
)

TEXT = {"preset": "nano", "vocabulary": 300, "block_tokens": 32, "steps": 30}


def test_two_machines_that_share_a_folder_learn_to_continue_text_as_one_process_does(
    scratch: Path, text: Path, tmp_path: Path
) -> None:
    output = tmp_path / "two"
    on_two_machines(train_language.__file__, snapshot=text, output=output, **TEXT)
    assert row_counts(output) == pytest.approx(row_counts(scratch), abs=1e-3)


def test_two_processes_with_shares_learn_to_continue_text_as_one_does(
    scratch: Path, text: Path, tmp_path: Path
) -> None:
    output = tmp_path / "two"
    given: dict[str, object] = {"snapshot": text, "output": output, **TEXT}
    assert in_two_processes(train_language.__file__, kind="use_fsdp", **given) == 0
    assert row_counts(output) == pytest.approx(row_counts(scratch), abs=1e-3)


def row_counts(output: Path) -> list[float]:
    return [loss for _, loss in result_of(output)["metrics"]["curve"]]


def test_two_processes_with_shares_make_the_reward_model_that_one_makes(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    """All weights, with what starts learning anew, and activations computed again."""
    snapshot = write_rows(shorter_is_better(12))
    one, two = tmp_path / "one", tmp_path / "two"
    fields = {"minimum_steps": 3, "learning_rate": 0.001, "tokens_per_batch": 64}
    switches = ("--full", "--learning-curve", "--gradient-checkpointing")
    assert train_reward_model(one, snapshot, tiny, *switches, **fields) == 0
    given: dict[str, object] = {"snapshot": snapshot, "base_model": tiny, "output": two, **fields}
    given["method"] = "finetune"
    assert in_two_processes(train_reward.__file__, *switches, kind="use_fsdp", **given) == 0
    assert_same_weights(one, two)
    expected, found = (result_of(each)["metrics"]["learning_curve"] for each in (one, two))
    assert [point["log_loss"] for point in found] == pytest.approx(
        [point["log_loss"] for point in expected], abs=1e-3
    )


UPDATE = {
    **{"algorithm": "ppo", "steps": 3, "inner_epochs": 2, "check_every": 2},
    **{"pretraining_blocks": 3},  # one reads two blocks, one reads one
    **{"tokens_per_batch": 128, "learning_rate": 0.001},
}
"""All that can differ: a value function, text to keep likely, checks, two epochs."""


@pytest.fixture(scope="module")
def updated(
    tiny: Path,
    snapshot: Path,
    reward_model: Path,
    text: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """By one process."""
    output = tmp_path_factory.mktemp("updated") / "one"
    fields = {**UPDATE, "pretraining_text": text}
    assert train_a_policy(output, snapshot, tiny, reward_model, **fields) == 0
    return output


@pytest.mark.parametrize("kind", ["multi_gpu", "use_fsdp"])
def test_two_processes_update_a_policy_as_one_does(
    kind: str,
    updated: Path,
    tiny: Path,
    snapshot: Path,
    reward_model: Path,
    text: Path,
    tmp_path: Path,
) -> None:
    two = tmp_path / "two"
    code = in_two_processes(
        train_policy.__file__,
        kind=kind,
        **{"snapshot": snapshot, "base_model": tiny, "reward_model": reward_model},
        **{"output": two, "max_new_tokens": 8, "prompts_per_step": 4, "kl_budget": 1e6},
        **{**UPDATE, "pretraining_text": text},
    )
    assert code == 0
    expected, found = (result_of(each)["metrics"] for each in (updated, two))
    assert found["new"] == pytest.approx(expected["new"], abs=1e-3)
    assert found["checks"] == [pytest.approx(check, abs=1e-3) for check in expected["checks"]]
    assert_same_weights(updated, two)


FROM_RANKINGS = {
    **{"groups_per_step": 5, "epochs": 2, "tokens_per_batch": 16, "dpo_learning_rate": 0.001}
}
"""Groups of a step are read in parts, of which the processes have unlike numbers."""


@pytest.fixture(scope="module")
def from_rankings(tiny: Path, snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learned by one process."""
    output = tmp_path_factory.mktemp("from-rankings") / "one"
    assert learn_from_rankings(output, snapshot, tiny, **FROM_RANKINGS) == 0
    return output


@pytest.mark.parametrize("kind", ["multi_gpu", "use_fsdp"])
def test_two_processes_learn_from_rankings_as_one_does(
    kind: str, from_rankings: Path, tiny: Path, snapshot: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    given = {"snapshot": snapshot, "base_model": tiny, "output": two, **FROM_RANKINGS}
    given |= {"algorithm": "dpo", "max_new_tokens": 8, "kl_budget": 1e6, "group_tokens": 256}
    assert in_two_processes(train_policy.__file__, kind=kind, **given) == 0
    expected, found = (
        result_of(each)["metrics"]["preferences"]["new"] for each in (from_rankings, two)
    )
    assert found["log_loss"] == pytest.approx(expected["log_loss"], abs=1e-3)
    assert_same_weights(from_rankings, two)


def assert_same_weights(one: Path, two: Path) -> None:
    weights = weights_of(one)
    for name, weight in weights_of(two).items():
        assert weight.numpy() == pytest.approx(weights[name].numpy(), abs=1e-3), name


def test_why_a_process_failed_that_is_not_the_main_one_is_kept(tmp_path: Path) -> None:
    output = tmp_path / "model"
    assert in_two_processes(second_fails.__file__, kind="multi_gpu", **fields_of(output)) == 1
    assert failure_of(output) == "The second process has no disk."


def test_processes_that_find_the_folder_taken_leave_no_reason_in_it(tmp_path: Path) -> None:
    output = tmp_path / "model"
    output.mkdir()  # for this the second one fails before it meets the main one
    with RunFolder(Path(f"{output}.run")) as other:
        assert in_two_processes(second_fails.__file__, kind="multi_gpu", **fields_of(output)) == 1
        assert not (other.path / "failure.json").exists()


def fields_of(output: Path) -> dict[str, object]:
    return {"snapshot": Path("none.jsonl"), "base_model": Path("none"), "output": output}
