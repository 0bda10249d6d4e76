import gc
import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch

from annotation.lm.loading import (
    PolicySource,
    PolicyUnavailable,
    brief,
    is_out_of_memory,
    load_policy,
)
from annotation.lm.sampler import SamplingParameters, sample_groups
from annotation.lm.warm import WarmPolicy
from tests.learning.conftest import user
from tests.tiny import build_tiny_tokenizer


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(PolicyUnavailable, match="no model folder at /nowhere/model"):
        load_policy(PolicySource("/nowhere/model"))


def test_an_adapter_that_is_not_there_is_named(tiny: Path) -> None:
    with pytest.raises(PolicyUnavailable, match="no adapter folder at /nowhere/adapter"):
        load_policy(PolicySource(str(tiny), "/nowhere/adapter"))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnavailable, match=str(tmp_path)):
        load_policy(PolicySource(str(tmp_path)))


def test_a_classifier_is_no_policy(tiny: Path, tmp_path: Path) -> None:
    folder = _changed(tiny, tmp_path, "config.json", architectures=["LlamaForTokenClassification"])
    with pytest.raises(PolicyUnavailable, match="not a causal language model"):
        load_policy(PolicySource(str(folder)))


def test_a_model_without_chat_template_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = _changed(tiny, tmp_path, "config.json")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(PolicyUnavailable, match="no chat template"):
        load_policy(PolicySource(str(folder)))


def test_a_folder_without_a_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PolicyUnavailable, match=r"holds no model: it has no config\.json\.$"):
        load_policy(PolicySource(str(tmp_path)))


def test_broken_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    folder = _changed(tiny, tmp_path, "config.json")
    (folder / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(PolicyUnavailable, match="No model could be loaded"):
        load_policy(PolicySource(str(folder)))


@pytest.mark.parametrize(
    "damage", [{"hidden_size": "wide"}, {"num_attention_heads": 0}, {"num_attention_heads": 5}]
)
def test_a_configuration_that_makes_no_sense_is_refused(
    damage: dict[str, object], tiny: Path, tmp_path: Path
) -> None:
    folder = _changed(tiny, tmp_path, "config.json", **damage)
    with pytest.raises(PolicyUnavailable, match=f"could be loaded from {folder}"):
        load_policy(PolicySource(str(folder)))


def test_code_that_comes_with_a_model_is_refused_and_never_runs(tiny: Path, tmp_path: Path) -> None:
    maps = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
    folder = _changed(tiny, tmp_path, "config.json", model_type="own", auto_map=maps)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w').close()")
    with pytest.raises(PolicyUnavailable, match="could be loaded from"):
        load_policy(PolicySource(str(folder)))
    assert not ran.exists()


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes"])
def test_quantized_weights_are_refused_in_a_sentence(
    method: str, tiny: Path, tmp_path: Path
) -> None:
    quantized = {"quant_method": method, "bits": 4}
    folder = _changed(tiny, tmp_path, "config.json", quantization_config=quantized)
    with pytest.raises(
        PolicyUnavailable, match=rf"^The weights at .* are quantized \({method}\): "
    ):
        load_policy(PolicySource(str(folder)))


def test_a_token_that_was_added_without_an_embedding_is_named(tiny: Path, tmp_path: Path) -> None:
    folder = _changed(tiny, tmp_path, "config.json")
    tokenizer = build_tiny_tokenizer()
    tokenizer.add_tokens(["<think>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(PolicyUnavailable, match=r"'<think>'.*call resize_token_embeddings"):
        load_policy(PolicySource(str(folder)))


def test_a_special_token_without_an_embedding_that_nobody_writes_does_no_harm(
    tiny: Path, tmp_path: Path
) -> None:
    folder = _changed(tiny, tmp_path, "config.json")
    tokenizer = build_tiny_tokenizer()
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    model, loaded = load_policy(PolicySource(str(folder)))
    parameters = SamplingParameters(max_new_tokens=2)
    assert sample_groups(model, loaded, [user("An <image>?")], 1, parameters, 0)


def test_what_a_library_says_at_length_is_cut() -> None:
    classes = ", ".join(f"Class{number}" for number in range(100))
    said = brief(ValueError(f"Unknown.\nIt should be one of {classes}.\nMore."))
    assert said.startswith("Unknown. It should be one of Class0, ")
    assert len(said) < 310


def test_generation_settings_that_contradict_each_other_are_mended(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"do_sample": False, "temperature": 0.6, "eos_token_id": [2, 0]}
    folder = _changed(tiny, tmp_path, "generation_config.json", **settings)
    model, _ = load_policy(PolicySource(str(folder)))
    assert model.generation_config is not None
    model.generation_config.pad_token_id = 1
    model.save_pretrained(tmp_path / "saved")
    assert model.generation_config.eos_token_id == [2, 0]
    assert "generation settings are dropped" in caplog.text


def test_a_warm_policy_is_not_loaded_again(tiny: Path) -> None:
    warm = WarmPolicy()
    first, _ = warm.get(PolicySource(str(tiny)))
    second, _ = warm.get(PolicySource(str(tiny)))
    assert first is second


def test_another_source_replaces_the_warm_policy(tiny: Path, tmp_path: Path) -> None:
    other = _changed(tiny, tmp_path, "config.json")
    warm = WarmPolicy()
    before = weakref.ref(warm.get(PolicySource(str(tiny)))[0])
    warm.get(PolicySource(str(other)))
    gc.collect()
    assert before() is None


def test_a_released_policy_leaves_memory(tiny: Path) -> None:
    warm = WarmPolicy()
    before = weakref.ref(warm.get(PolicySource(str(tiny)))[0])
    warm.release()
    assert before() is None


def test_a_failed_change_leaves_nothing_half_loaded(tiny: Path) -> None:
    warm = WarmPolicy()
    with pytest.raises(PolicyUnavailable):
        warm.get(PolicySource("/nowhere/model"))
    assert warm.get(PolicySource(str(tiny)))[0] is not None


def test_running_out_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def _changed(tiny: Path, tmp_path: Path, name: str, **values: object) -> Path:
    folder = tmp_path / "changed"
    shutil.copytree(tiny, folder)
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **values}))
    return folder
