import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from annotation.generation.chat import Chat
from annotation.generation.policy import PolicySource, load_causal_lm, load_policy
from annotation.generation.sampler import SamplingParameters, sample_groups
from rewardmodel.learning import train_language
from rewardmodel.learning.blocks import TokenLosses, conversation, pack
from rewardmodel.learning.configs import ConfigError, LanguageConfig, check_overrides
from rewardmodel.learning.evaluate import language_gate, language_metrics, unigram_entropy
from rewardmodel.learning.groups import EncodedGroup
from rewardmodel.learning.optimisation import Learner, cosine, new_accelerator
from rewardmodel.learning.run import run_script
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import (
    Killed,
    failure_of,
    kill_at,
    phases_of,
    result_of,
    train_a_policy,
    train_reward_model,
)

Write = Callable[[Rows], Path]
SCRIPT = train_language.__file__


def learn(output: Path, snapshot: Path, *switches: str, **fields: object) -> int:
    """Starts a run as a person would, but in this process; returns the exit code."""
    values = {"snapshot": snapshot, "output": output, "max_new_tokens": 8, **fields}
    flags = [
        part
        for name, value in values.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return run_script(LanguageConfig, train_language.train, [*flags, *switches])


def from_scratch(output: Path, snapshot: Path, **fields: object) -> int:
    values = {"preset": "nano", "vocabulary": 300, "block_tokens": 32, "steps": 30}
    return learn(output, snapshot, **{**values, **fields})


def from_demonstrations(
    output: Path, snapshot: Path, base: Path, *switches: str, **fields: object
) -> int:
    values = {"stage": "demonstrations", "base_model": base, "learning_rate": 0.01, "steps": 6}
    return learn(output, snapshot, *switches, **{**values, **fields})


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    [file] = folder.glob("*.safetensors")
    return load_file(file)


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


def demonstrations(count: int = 24) -> Rows:
    """Whoever says a number is answered "yes"; one in four is held out."""
    return [
        {
            "id": str(number),
            "lang": "en",
            "messages": [*user(f"Say {number}"), {"role": "assistant", "content": "yes"}],
            "split": "heldout" if number % 4 == 0 else "train",
        }
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("the cat sat on the mat and the dog sat on the cat\n" * 700)
    return path


@pytest.fixture(scope="module")
def scratch(text: Path) -> Path:
    """A model made from raw text alone."""
    output = text.parent / "scratch"
    assert from_scratch(output, text) == 0
    return output


@pytest.fixture(scope="module")
def supervised(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter on the tiny model that learned to say yes."""
    folder = tmp_path_factory.mktemp("supervised")
    snapshot = folder / "demonstrations.jsonl"
    snapshot.write_text("".join(json.dumps(row) + "\n" for row in demonstrations()))
    assert from_demonstrations(folder / "adapter", snapshot, tiny, steps=40) == 0
    return folder / "adapter"


def test_a_model_from_scratch_predicts_better_than_frequencies(scratch: Path) -> None:
    result = result_of(scratch)
    metrics = result["metrics"]
    assert metrics["parent"] is None
    assert metrics["new"]["loss"] < metrics["unigram_entropy"]
    assert metrics["new"]["perplexity"] == pytest.approx(math.exp(metrics["new"]["loss"]))
    assert 0 < metrics["new"]["bits_per_byte"] < 8
    assert metrics["tokens_per_second"] > 0
    assert result["gate"]["passed"]


def test_the_curve_and_the_samples_show_the_way(scratch: Path) -> None:
    result = result_of(scratch)
    steps = [step for step, _ in result["metrics"]["curve"]]
    assert steps == [8, 15, 23, 30]
    assert [sample["step"] for sample in result["samples"]] == steps
    assert all(sample["prompt"] for sample in result["samples"])
    assert phases_of(scratch) == ["loading", "training", "evaluating", "saving"]


def test_a_model_from_scratch_is_an_ordinary_one_with_a_chat_template(scratch: Path) -> None:
    model, tokenizer = load_policy(PolicySource(str(scratch)))
    chat = Chat(tokenizer)
    assert chat.pad != chat.end_of_turn == tokenizer.eos_token_id
    assert tokenizer.decode(tokenizer.encode("猫 and cat")) == "猫 and cat"
    assert isinstance(model, type(AutoModelForCausalLM.from_pretrained(scratch)))
    assert chat.end_of_turn in model.generation_config.eos_token_id


def test_from_raw_text_to_supervised_to_reward_model_to_reinforced(
    scratch: Path, tmp_path: Path, write_rows: Write
) -> None:
    chats, reward, policy = (tmp_path / name for name in ("chats", "reward", "policy"))
    rows = write_rows(demonstrations())
    assert from_demonstrations(chats, rows, scratch, "--full", steps=60, learning_rate=3e-3) == 0
    model, tokenizer = load_policy(PolicySource(str(chats)))
    parameters = SamplingParameters(max_new_tokens=8, temperature=0)
    [[answer]] = sample_groups(model, tokenizer, [user("Say 5")], 1, parameters, 0)
    assert (answer.text, answer.finish_reason) == ("yes", "stop")
    groups = write_rows(shorter_is_better(12))
    assert train_reward_model(reward, groups, chats, minimum_steps=2) == 0
    assert train_a_policy(policy, groups, chats, reward, steps=1) == 0
    load_policy(PolicySource(str(chats), str(policy)))


def test_demonstrations_teach_an_adapter_to_answer_and_to_stop(
    tiny: Path, supervised: Path
) -> None:
    model, tokenizer = load_policy(PolicySource(str(tiny), str(supervised)))
    parameters = SamplingParameters(max_new_tokens=8, temperature=0)
    [[answer]] = sample_groups(model, tokenizer, [user("Say 4")], 1, parameters, 0)
    assert (answer.text, answer.finish_reason) == ("yes", "stop")


def test_a_merged_run_leaves_an_ordinary_model(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    output, rows = tmp_path / "whole", write_rows(demonstrations())
    assert from_demonstrations(output, rows, tiny, "--merge", steps=40) == 0
    model, tokenizer = load_policy(PolicySource(str(output)))
    parameters = SamplingParameters(max_new_tokens=8, temperature=0)
    [[answer]] = sample_groups(model, tokenizer, [user("Say 4")], 1, parameters, 0)
    assert (answer.text, answer.finish_reason) == ("yes", "stop")


def test_held_out_loss_is_taken_before_and_after(supervised: Path) -> None:
    result = result_of(supervised)
    before, after = result["metrics"]["parent"], result["metrics"]["new"]
    assert before["tokens"] == after["tokens"] == 6 * len("yes.")
    assert after["loss"] < before["loss"]
    assert result["gate"] == {
        "passed": True,
        "reason": f"Held-out loss went from {before['loss']:.3f} to {after['loss']:.3f} "
        "nats a token.",
    }


def test_the_same_prompts_are_answered_before_and_after(supervised: Path) -> None:
    samples = result_of(supervised)["samples"]
    assert len(samples) == 6
    assert all(sample["before"] != sample["after"] for sample in samples)


def test_a_parent_may_have_an_adapter(
    tiny: Path, supervised: Path, tmp_path: Path, write_rows: Write
) -> None:
    child = tmp_path / "child"
    rows = write_rows(demonstrations())
    assert from_demonstrations(child, rows, tiny, adapter=supervised, steps=1) == 0
    after = result_of(supervised)["metrics"]["new"]["loss"]
    assert result_of(child)["metrics"]["parent"]["loss"] == pytest.approx(after, rel=1e-3)


def test_raw_text_continues_a_model(tiny: Path, text: Path, tmp_path: Path) -> None:
    output = tmp_path / "more"
    fields = {"base_model": tiny, "steps": 5, "block_tokens": 64, "learning_rate": 0.003}
    assert learn(output, text, "--full", **fields) == 0
    metrics = result_of(output)["metrics"]
    assert metrics["new"]["loss"] < metrics["parent"]["loss"]
    assert (output / "model.safetensors").exists()


@pytest.mark.parametrize("stage", ["text", "demonstrations"])
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    stage: str, tiny: Path, text: Path, tmp_path: Path, write_rows: Write
) -> None:
    def start(output: Path) -> int:
        fields: dict[str, Any] = {"steps": 6, "checkpoint_every": 2, "evaluations": 2}
        if stage == "text":
            return from_scratch(output, text, **fields)
        return from_demonstrations(output, write_rows(demonstrations()), tiny, **fields)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert start(whole) == 0
    with pytest.MonkeyPatch.context() as patch:
        kill_at(5, patch)
        with pytest.raises(Killed):
            start(broken)
    assert start(broken) == 0
    assert same(weights_of(whole), weights_of(broken))
    first, second = result_of(whole), result_of(broken)
    assert first["metrics"]["curve"] == second["metrics"]["curve"]
    assert first["samples"] == second["samples"]


def test_gradient_checkpointing_changes_no_weight(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = write_rows(demonstrations())
    plain, saving = tmp_path / "plain", tmp_path / "saving"
    assert from_demonstrations(plain, rows, tiny, steps=2) == 0
    assert from_demonstrations(saving, rows, tiny, "--gradient-checkpointing", steps=2) == 0
    expected, found = weights_of(plain), weights_of(saving)
    assert all(torch.allclose(expected[n], found[n], atol=1e-6) for n in expected)


def test_gradient_checkpointing_computes_layers_again_and_only_in_training(tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    calls: list[bool] = []
    layer = network.get_submodule("model.layers.0.mlp")
    layer.register_forward_pre_hook(lambda module, *_: calls.append(module.training))
    config = LanguageConfig(snapshot="", output="", gradient_checkpointing=True)
    learner = Learner(new_accelerator(), TokenLosses(network), config, 0.01, 1)
    batch = pack([conversation(EncodedGroup([5, 6], [[7, 2]]))])
    learner.accumulate([batch], lambda b: learner.module(b).sum())
    assert calls == [False, False]  # twice, without dropout
    with torch.no_grad():
        learner.module(batch)
    assert calls == [False, False, False]


def test_over_long_conversations_lose_their_start_and_are_counted(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = demonstrations(8)
    rows[1]["messages"][0]["content"] = "long " * 200
    output = tmp_path / "short"
    assert from_demonstrations(output, write_rows(rows), tiny, block_tokens=64, steps=1) == 0
    assert result_of(output)["metrics"]["shortened"] == 1


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        (user("alone"), "line 2: 'messages' must be a list of two or more"),
        ([*user("a"), *user("b")], "line 2: the last message must be the assistant's"),
        ([{"role": "user"}, {"role": "assistant", "content": "b"}], "line 2: 'prompt' must be"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    messages: list[Any], sentence: str, tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = [demonstrations(1)[0], {"id": "bad", "messages": messages}]
    output = tmp_path / "none"
    assert from_demonstrations(output, write_rows(rows), tiny) == 1
    assert sentence in failure_of(output)


def test_empty_answers_are_skipped_and_counted(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    rows = demonstrations(8)
    rows[1]["messages"][1]["content"] = " "
    output = tmp_path / "skipped"
    assert from_demonstrations(output, write_rows(rows), tiny, steps=1) == 0
    assert result_of(output)["metrics"]["skipped"] == {"empty answer": 1}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Give base_model to continue a model, or preset"),
        ({"preset": "nano", "base_model": "x"}, "not both"),
        ({"preset": "huge"}, "There is no preset 'huge'; give one of nano, micro"),
        ({"preset": "nano", "stage": "demonstrations"}, "Demonstrations need a base_model"),
        ({"stage": "talk"}, "stage is 'talk'; give text or demonstrations"),
    ],
)
def test_fields_that_do_not_go_together_are_named(
    fields: dict[str, Any], sentence: str, text: Path, tmp_path: Path
) -> None:
    assert learn(tmp_path / "none", text, **fields) == 1
    assert sentence in failure_of(tmp_path / "none")


def test_empty_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    assert from_scratch(tmp_path / "none", tmp_path / "empty.txt") == 1
    assert "Nothing to train on" in failure_of(tmp_path / "none")


def test_a_project_may_set_everything_but_what_each_run_gives() -> None:
    check_overrides(LanguageConfig, {"learning_rate": 1e-4, "steps": 5, "preset": "mini"})
    with pytest.raises(ConfigError, match="base_model cannot be set"):
        check_overrides(LanguageConfig, {"base_model": "x"})


def test_unigram_entropy_by_hand() -> None:
    assert unigram_entropy([2, 0, 1, 1]) == pytest.approx(1.5 * math.log(2))
    assert unigram_entropy([7]) == 0


def test_the_gates_by_hand() -> None:
    low, high = language_metrics(20.0, 10), language_metrics(30.0, 10)
    assert (low.loss, low.perplexity) == (2.0, math.exp(2.0))
    assert language_gate(high, low, 1.0).passed
    assert not language_gate(low, low, 9.0).passed
    assert language_gate(None, low, 2.5).passed
    assert not language_gate(None, high, 2.5).passed
    assert language_gate(None, language_metrics(0.0, 0), None).reason.startswith("No held-out text")


def test_the_learning_rate_rises_then_falls() -> None:
    shares = [cosine(step, 10, 0.1, warmup=0.2) for step in range(11)]
    assert shares[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert shares[6] == pytest.approx(0.55)
    assert shares[10] == pytest.approx(0.1)


def test_two_processes_learn_what_one_learns(scratch: Path, text: Path, tmp_path: Path) -> None:
    """`--multi_gpu` is accelerate's name for several processes, on whatever device there is."""
    output = tmp_path / "two"
    fields = {"preset": "nano", "vocabulary": 300, "block_tokens": 32, "steps": 30}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in fields.items()]
    subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch"),
            *("--multi_gpu", "--num_processes=2", "--main_process_port=0", SCRIPT),
            *(*flags, f"--snapshot={text}", f"--output={output}"),
        ],
        check=True,
        capture_output=True,
    )
    assert losses_of(output) == pytest.approx(losses_of(scratch), abs=1e-3)


def losses_of(output: Path) -> list[float]:
    return [loss for _, loss in result_of(output)["metrics"]["curve"]]
