"""What stops `make up`: one sentence each, a non-zero exit, no traceback, nothing left running."""

import json
import socket
from pathlib import Path

import pytest

from config.install import Stop, require_space
from tests.launcher.launching import Launcher, free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusals") / "var"


def refusal(launcher: Launcher) -> str:
    """The last sentence of a launcher that must fail."""
    assert launcher.process.wait(60) == 1, launcher.output
    assert "Traceback" not in launcher.output
    assert launcher.processes() == []
    return launcher.output.strip().splitlines()[-1]


def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(Launcher(folder, "unused", {"PORT": port}))
    assert said.startswith(f"Port {port} is in use.")


@pytest.mark.parametrize("port", ["0", "70000"])
def test_an_impossible_port_is_refused(folder: Path, port: str) -> None:
    said = refusal(Launcher(folder, "unused", {"PORT": port}))
    assert said == f"PORT is {port}: set it to a number from 1 to 65535."


def test_too_little_disk_space_is_said_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(Stop, match=r"No disk space: a test needs about \d+ MB .* \d+ MB are free"):
        require_space(tmp_path / "not" / "there" / "yet", 10**18, "a test")


def test_a_database_that_does_not_answer_is_named_without_its_password(folder: Path) -> None:
    url = f"postgres://someone:hidden@127.0.0.1:{free_port()}/laoshi"
    said = refusal(Launcher(folder, "unused", {"DATABASE_URL": url}))
    assert said.startswith("The PostgreSQL database laoshi on 127.0.0.1 cannot be used")
    assert "Check DATABASE_URL" in said
    assert "hidden" not in said


def test_a_redis_that_does_not_answer_is_named(folder: Path) -> None:
    said = refusal(Launcher(folder, "unused", {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}))
    assert said.startswith("The Redis that REDIS_URL names does not answer")


def test_a_model_folder_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    said = refusal(Launcher(folder, str(tmp_path / "nowhere")))
    assert said == f"POLICY_MODEL is '{tmp_path}/nowhere': there is no such folder."


def test_a_model_that_cannot_be_fetched_is_named(folder: Path) -> None:
    said = refusal(Launcher(folder, "someone/some-model", {"HF_HUB_OFFLINE": "1"}))
    assert said.startswith("POLICY_MODEL is 'someone/some-model': there is no such folder")


def test_a_model_that_writes_no_text_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}))
    said = refusal(Launcher(folder, str(tmp_path)))
    assert "is no causal language model" in said
