"""A base model is looked at before it is taken, without loading it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotation.lm.model_facts import UnusableModel, facts_of
from config.env import BASE_FOLDER


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def change(file: Path, **values: object) -> None:
    known = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({name: value for name, value in known.items() if value is not None}))


def test_a_whole_model_says_what_it_is(model: Path) -> None:
    facts = facts_of(str(model))
    assert facts.architecture == "LlamaForCausalLM"
    assert facts.size == (model / "model.safetensors").stat().st_size
    assert facts.licence == ""


@pytest.mark.parametrize(
    ("name", "text", "licence"),
    [
        ("README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\n# A model", "apache-2.0"),
        ("README.md", "license: mine", ""),
        ("LICENSE", "MIT License\n\nCopyright", "mit"),
        ("LICENSE.txt", "Only on Sundays.\nNever else.", "Only on Sundays."),
    ],
)
def test_its_licence_is_what_its_card_or_its_licence_file_says(
    model: Path, name: str, text: str, licence: str
) -> None:
    (model / name).write_text(text)
    assert facts_of(str(model)).licence == licence


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="no such folder"):
        facts_of(str(tmp_path / "nowhere"))


def test_a_name_too_long_for_a_folder_is_said_to_be_none() -> None:
    with pytest.raises(UnusableModel, match="no such folder"):
        facts_of("a" * 300)


def test_what_writes_no_text_is_refused(model: Path) -> None:
    change(model / "config.json", architectures=["BertModel"])
    with pytest.raises(UnusableModel, match=r"no causal language model .* BertModel"):
        facts_of(str(model))


@pytest.mark.parametrize(
    "changed", [{"architectures": ["NobodyKnowsForCausalLM"]}, {"model_type": "none"}]
)
def test_an_architecture_that_nobody_knows_is_refused(model: Path, changed: dict[str, Any]) -> None:
    change(model / "config.json", **changed)
    with pytest.raises(UnusableModel, match=r"its architecture, \w+ForCausalLM, is none"):
        facts_of(str(model))


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_weights_that_are_cut_off_are_refused(model: Path, kept: int) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(UnusableModel, match=r"model\.safetensors of its weights is cut off"):
        facts_of(str(model))


def test_quantized_weights_are_refused(model: Path) -> None:
    change(model / "config.json", quantization_config={"quant_method": "gptq"})
    with pytest.raises(UnusableModel, match="quantized"):
        facts_of(str(model))


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"a":' * 100_000, "\ud83d"])
def test_a_config_that_cannot_be_read_is_said(model: Path, text: str) -> None:
    (model / "config.json").write_text(text, errors="surrogatepass")
    with pytest.raises(UnusableModel, match=r"no readable config\.json"):
        facts_of(str(model))


def test_weights_in_pickles_are_not_read(model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(UnusableModel, match="no safetensors file"):
        facts_of(str(model))


def test_a_missing_part_of_the_weights_is_named(model: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UnusableModel, match=r"model-00002\.safetensors of its weights is missing"):
        facts_of(str(model))


def test_a_model_that_cannot_chat_is_refused(model: Path) -> None:
    (model / "chat_template.jinja").unlink(missing_ok=True)
    change(model / "tokenizer_config.json", chat_template=None)
    with pytest.raises(UnusableModel, match="no chat template"):
        facts_of(str(model))


def test_a_model_on_a_hub_that_cannot_be_asked_is_not_called_unfit() -> None:
    assert not facts_of("someone/some-model").is_checked


# On the hub: a server here stands for it, asked by the library that asks the real one.

CONFIG = {"architectures": ["LlamaForCausalLM"], "tokenizer_config": {"chat_template": "{{ 1 }}"}}
FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def on_a_hub(answer: dict[str, Any] | None) -> str:
    """What is found of a model that no machine has fetched, or why it is refused."""

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer or {"error": "Repository not found"}).encode()
            self.send_response(200 if answer else 404)
            if not answer:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: object) -> None:
            pass

    program = (
        "from annotation.lm.model_facts import UnusableModel, facts_of\n"
        "try: print(facts_of('someone/some-model'))\n"
        "except UnusableModel as problem: print(problem)"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{hub.server_port}"
        told = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0", "no_proxy": "127.0.0.1"}
        found = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **told},
            cwd=BASE_FOLDER,
            capture_output=True,
            text=True,
            check=True,
        )
        hub.shutdown()
    return found.stdout


def model_on_the_hub(**changes: Any) -> dict[str, Any]:
    sizes = dict.fromkeys(FILES, 1000) | {"model.safetensors": 5_000_000}
    siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
    known = {"id": "someone/some-model", "tags": ["license:mit"], "config": CONFIG}
    return {**known, "siblings": siblings, **changes}


def test_what_the_hub_says_of_a_model_is_told_without_fetching_it() -> None:
    found = on_a_hub(model_on_the_hub())
    assert "LlamaForCausalLM" in found
    assert "licence='mit', size=5000000, folder=None, is_checked=True" in found


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"siblings": [{"rfilename": "pytorch_model.bin"}]}, "no safetensors file"),
        ({"config": {"architectures": ["LlamaForCausalLM"]}}, "no chat template"),
        ({"config": {**CONFIG, "architectures": ["BertModel"]}}, "no causal language model"),
    ],
)
def test_what_cannot_be_used_is_refused_before_it_is_fetched(
    changes: dict[str, Any], reason: str
) -> None:
    assert reason in on_a_hub(model_on_the_hub(**changes))


def test_a_model_that_the_hub_does_not_have_is_refused() -> None:
    assert "the hub has no such model" in on_a_hub(None)


def test_looking_loads_no_torch_and_runs_no_code_of_the_model(model: Path) -> None:
    (model / "modeling_own.py").write_text("raise SystemExit('It ran.')")
    change(model / "config.json", auto_map={"AutoModelForCausalLM": "modeling_own.Own"})
    program = (
        "import sys; from annotation.lm.model_facts import facts_of; facts_of(sys.argv[1]);"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(model)]
    assert subprocess.run(command, cwd=BASE_FOLDER, check=False).returncode == 0
