"""See that the model that POLICY_MODEL names is here: a folder, or a hub name that is fetched.

`python -m annotation.generation.named_model NAME`, a process of its own without torch, so that
a wrong name stops `make up` with a sentence instead of failing the first generation.
"""

import json
import sys
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from annotation.generation.default_model import ModelUnavailable

FILES = ["*.json", "*.jinja", "*.model", "*.safetensors", "*.txt"]


def locate(name: str) -> Path:
    """The folder of the model `name`, downloaded if need be. Raises ModelUnavailable."""
    if Path(name).is_dir():
        return Path(name)
    try:
        cached = Path(snapshot_download(name, allow_patterns=FILES, local_files_only=True))
        if any(cached.glob("*.safetensors")):
            return cached
    except LocalEntryNotFoundError:
        pass
    except HFValidationError as error:
        raise ModelUnavailable(f"POLICY_MODEL is {name!r}, and there is no such folder.") from error
    return _download(name)


def _download(name: str) -> Path:
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
    """Raise ModelUnavailable unless the folder holds a causal language model in safetensors."""
    try:
        architectures = json.loads((folder / "config.json").read_text()).get("architectures")
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"POLICY_MODEL is {name!r}, and {folder} has no readable config.json."
        ) from error
    if not any(architecture.endswith("ForCausalLM") for architecture in architectures or []):
        raise ModelUnavailable(
            f"POLICY_MODEL is {name!r}, which is no causal language model (its config.json "
            f"names {architectures})."
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelUnavailable(f"POLICY_MODEL is {name!r}, and {folder} has no safetensors file.")


def main() -> int:
    name = sys.argv[1]
    try:
        require_chat_model(locate(name), name)
    except ModelUnavailable as unavailable:
        print(unavailable)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
