"""A reward model that leaves the language model as it is, from reading to serving."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from annotation.lm.chat import Chat
from annotation.lm.loading import PolicyUnavailable, load_causal_lm, load_tokenizer
from rewardmodel.learning.core import distributed
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout, pack, unpack
from rewardmodel.learning.reward.features import FeatureReader, read_features
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import failure_of, result_of, train_a_policy, train_reward_model

CPU = torch.device("cpu")
GROUPS = [
    EncodedGroup([5, 6, 7], [[8, 9, 2], [10, 2]]),
    EncodedGroup([11], [[12, 13, 14, 15, 2], [16, 2], [17, 18, 2]]),
]


@pytest.mark.usefixtures("float32_features")
@pytest.mark.parametrize("layout", [pack, unpack])
def test_features_are_the_means_of_plain_transformers_hidden_states(
    layout: Layout, tiny: Path
) -> None:
    reader = FeatureReader(load_causal_lm(str(tiny), torch.float32).train(False), (1, 2))
    if layout is pack:
        from annotation.lm.shared_prompt_attention import use_group_attention

        use_group_attention(reader.network)
    read = read_features(reader, layout, GROUPS, 0, 512)
    plain = AutoModelForCausalLM.from_pretrained(tiny).train(False)
    for group, features in zip(GROUPS, read, strict=True):
        for answer, found in zip(group.answers, features, strict=True):
            ids = torch.tensor([group.prompt + answer])
            states = plain.model(ids, output_hidden_states=True).hidden_states
            first = states[1][0, len(group.prompt) :]
            assert torch.allclose(found[0, 0], first.mean(0), atol=1e-5)
            assert torch.allclose(found[0, 1], first[-1], atol=1e-5)


@pytest.mark.usefixtures("float32_features")
def test_features_in_bfloat16_are_off_by_less_than_a_hundredth(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = FeatureReader(load_causal_lm(str(tiny), torch.float32).train(False), (1, 2))
    exact = torch.cat(read_features(reader, unpack, GROUPS, 0, 512))
    monkeypatch.setattr(distributed, "multiplies_bfloat16", lambda: True)
    found = torch.cat(read_features(reader, unpack, GROUPS, 0, 512))
    assert found.dtype == torch.float32
    assert 0 < (found - exact).norm() < 0.01 * exact.norm()


def test_a_second_judge_learns_from_the_other_half_and_reads_the_same_backbone(
    tiny: Path, write_rows: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows, output, alone = write_rows(shorter_is_better(24)), tmp_path / "both", tmp_path / "alone"
    assert train_reward_model(output, rows, tiny, "--second-judge", method="probe") == 0
    assert train_reward_model(alone, rows, tiny, method="probe", half=2) == 0
    first, second, expected = (
        load_file(folder / "head.safetensors")["weights"]
        for folder in (output, output / "second", alone)
    )
    assert torch.equal(second, expected)
    assert not torch.equal(first, expected)
    assert {path.name for path in (output / "second").iterdir()} == {
        *("head.json", "head.safetensors")
    }
    asked = [(user("Say something"), ["ab", "ab " * 20])]
    [scores] = RewardScorer(str(output / "second"), CPU).scores(asked, 512)
    assert scores[0] > scores[1]


def test_a_finetuned_reward_model_has_a_probe_for_a_second_judge_of_an_update(
    tiny: Path, write_rows: Callable[[Rows], Path], tmp_path: Path
) -> None:
    rows, output, taught = write_rows(shorter_is_better(24)), tmp_path / "model", tmp_path / "new"
    assert train_reward_model(output, rows, tiny, "--second-judge", minimum_steps=1) == 0
    assert result_of(output)["metrics"]["second_judge"]["pairs"] > 0
    second = {"steps": 1, "heldout_reward_model": output / "second"}
    assert train_a_policy(taught, rows, tiny, output, **second) == 0
    assert result_of(taught)["metrics"]["second_reward_model"].keys() == {"parent", "new"}


@pytest.mark.usefixtures("float32_features")
def test_how_many_tokens_a_pass_has_changes_nothing(tiny: Path) -> None:
    reader = FeatureReader(load_causal_lm(str(tiny), torch.float32).train(False), (2,))
    whole, parts = (read_features(reader, unpack, GROUPS, 0, tokens) for tokens in (512, 3))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole, parts, strict=True))


def test_a_pass_ends_at_the_deepest_layer_that_is_read(tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    beyond = []
    network.model.layers[1].register_forward_hook(lambda *_: beyond.append(1))
    read_features(FeatureReader(network, (1,)), unpack, GROUPS, 0, 512)
    assert not beyond
    network(torch.tensor([[1, 2]]))
    assert beyond  # and the model is as it was


def test_it_learns_what_the_rankings_say(probe: Path) -> None:
    metrics = result_of(probe)["metrics"]
    assert metrics["heldout"]["accuracy"] > 0.9
    assert metrics["heldout"]["log_loss"] < 0.4
    assert result_of(probe)["gate"]["code"] == "reward_learned"


def test_the_result_says_what_was_tried_and_what_is_left_without_the_length(probe: Path) -> None:
    metrics = result_of(probe)["metrics"]
    tried = metrics["chosen"]["tried"]
    assert "length" in [each["recipe"] for each in tried]
    assert tried[0]["log_loss"] == min(each["log_loss"] for each in tried)
    left, whole = metrics["heldout_without_length"], metrics["heldout"]
    assert left["log_loss"] >= whole["log_loss"] - 0.05
    assert [point["groups"] for point in metrics["learning_curve"]] == [7, 15, 30]


def test_the_saved_one_gives_the_scores_of_the_result(probe: Path) -> None:
    scorer = RewardScorer(str(probe), CPU)
    for sample in result_of(probe)["samples"]:
        [scores] = scorer.scores([(sample["prompt"], sample["answers"])], 512)
        assert scores.tolist() == pytest.approx(sample["rewards"], abs=1e-3)


def test_it_says_how_unsure_it_is(probe: Path) -> None:
    scorer = RewardScorer(str(probe), CPU)
    [same] = scorer.judge([(user("Say 1"), ["aaa", "aaa"])], 512)
    [other] = scorer.judge([(user("Say 1"), ["a", "z" * 400])], 512)
    assert same.deviations.max() < 1e-3 < other.deviations.min()


def test_what_plain_transformers_would_load_with_a_head_of_chance_is_not_there(probe: Path) -> None:
    assert not (probe / "config.json").exists()
    assert (probe / "backbone" / "config.json").exists()


def test_no_file_of_it_holds_code(probe: Path) -> None:
    suffixes = {path.suffix for path in probe.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".safetensors", ".jinja"}


@pytest.mark.parametrize("algorithm", ["rloo", "ppo", "best_of_n"])
def test_a_policy_is_taught_with_it(
    algorithm: str, probe: Path, tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    output = tmp_path / "adapter"
    snapshot = write_rows(shorter_is_better())
    assert train_a_policy(output, snapshot, tiny, probe, algorithm=algorithm, steps=2) == 0


@pytest.mark.parametrize("name", ["head.safetensors", "backbone"])
def test_a_damaged_one_is_refused_with_its_folder(name: str, probe: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(probe, tmp_path / "broken")
    if (broken / name).is_dir():
        shutil.rmtree(broken / name)
    else:
        (broken / name).write_bytes(b"no tensors")
    with pytest.raises(PolicyUnavailable, match=str(broken)):
        RewardScorer(str(broken), CPU)


def test_training_twice_gives_the_same_head(
    probe: Path, tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    output = tmp_path / "again"
    assert train_reward_model(output, write_rows(shorter_is_better(40)), tiny, method="probe") == 0
    first, again = (load_file(path / "head.safetensors") for path in (probe, output))
    assert torch.allclose(first["weights"], again["weights"], atol=1e-5)


def test_one_that_predicts_worse_than_what_serves_does_not_serve(
    probe: Path, tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    rows = shorter_is_better(40)
    for row in rows:
        if row["split"] == "train":  # some of what it learns from is wrong
            row["rankings"][0]["ranks"].reverse()
    output = tmp_path / "worse"
    snapshot = write_rows(rows)
    assert train_reward_model(output, snapshot, tiny, method="probe", served=probe) == 0
    result = result_of(output)
    assert not result["gate"]["passed"]
    metrics = result["metrics"]
    assert metrics["heldout"]["log_loss"] > metrics["served"]["log_loss"]
    assert metrics["changes"]["log_loss"][0] > 0  # the whole interval: it is surely worse
    assert all(sample.keys() >= {"rewards", "rewards_before"} for sample in result["samples"])


def test_another_method_is_refused_with_the_ones_there_are(
    tiny: Path, tmp_path: Path, write_rows: Callable[[Rows], Path]
) -> None:
    output = tmp_path / "model"
    snapshot = write_rows(shorter_is_better(4))
    assert train_reward_model(output, snapshot, tiny, method="forest") == 1
    assert "probe, finetune" in failure_of(output)


def test_the_tokenizer_is_the_base_models(probe: Path, tiny: Path) -> None:
    ours, theirs = (Chat(load_tokenizer(str(path))) for path in (probe / "backbone", tiny))
    assert ours.prompt_ids(user("Hello")) == theirs.prompt_ids(user("Hello"))
