"""Data sets of the Hugging Face hub, where this machine can reach it."""

import re
from pathlib import Path

from annotation.exchange.reading.datasets import ENDINGS

NAME = re.compile(r"[\w.-]+/[\w.-]+")
FILES = [f"*{ending}" for ending in ENDINGS]


class NotFetched(Exception):
    """A sentence that says why."""


def fetch_dataset(name: str) -> Path:
    """The folder with its files, which stay in the hub's cache. Raises NotFetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(name, repo_type="dataset", allow_patterns=FILES))
    except HFValidationError as error:  # no data set can be called so
        raise NotFetched(f"There is no file or folder {name!r}.") from error
    except RepositoryNotFoundError as error:
        raise NotFetched(
            f"There is no file or folder {name!r} here, and the hub has no data set of that name "
            "(or hides it from who is not logged in)."
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise NotFetched(
            f"There is no file or folder {name!r} here, and no data set of that name can be "
            "fetched from the hub. If it is a path, check it; if it is a data set, check the "
            "network and the disk's free space, or download it elsewhere and name its folder here."
        ) from error
