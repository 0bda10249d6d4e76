"""Starts training as a person would, but in this process."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rewardmodel.learning import train_language, train_policy, train_reward
from rewardmodel.learning.configs import LanguageConfig, PolicyConfig, RewardConfig
from rewardmodel.learning.core.run_folder import RunFolder
from rewardmodel.learning.core.script import run_script


class Killed(Exception):
    """Stands for the end of the process."""


def train_reward_model(
    output: Path, snapshot: Path, base: Path, *switches: str, **fields: object
) -> int:
    """Finetunes the tiny model with a learning rate that suits it; returns the exit code."""
    values: dict[str, object] = {"snapshot": snapshot, "base_model": base, "output": output}
    values |= {"method": "finetune", "learning_rate": 0.01}
    return run_script(RewardConfig, train_reward.train, [*_flags({**values, **fields}), *switches])


def train_a_policy(
    output: Path, snapshot: Path, base: Path, reward_model: Path, **fields: object
) -> int:
    """As `train_reward_model`, for the policy. Nothing is checked on the way unless asked for, so
    that the last weights stay."""
    values = {
        "snapshot": snapshot,
        "base_model": base,
        "reward_model": reward_model,
        "output": output,
        "learning_rate": 0.01,
        "max_new_tokens": 8,
        "steps": 4,
        "prompts_per_step": 4,
        "kl_budget": 1e6,
        "check_every": 0,
    }
    return run_script(PolicyConfig, train_policy.train, _flags({**values, **fields}))


def learn_from_rankings(output: Path, snapshot: Path, base: Path, **fields: object) -> int:
    """As `train_a_policy`, straight from the snapshot's rankings; without a reward model unless
    one is named."""
    values = {"snapshot": snapshot, "base_model": base, "output": output, "algorithm": "dpo"}
    values |= {"dpo_learning_rate": 0.01, "group_tokens": 256}
    values |= {"max_new_tokens": 8, "kl_budget": 1e6}
    return run_script(PolicyConfig, train_policy.train, _flags({**values, **fields}))


def learn(output: Path, snapshot: Path, *switches: str, **fields: object) -> int:
    """Starts a run as a person would, but in this process; returns the exit code."""
    values = {"snapshot": snapshot, "output": output, "max_new_tokens": 8, **fields}
    return run_script(LanguageConfig, train_language.train, [*_flags(values), *switches])


def from_scratch(output: Path, snapshot: Path, **fields: object) -> int:
    values = {"preset": "nano", "vocabulary": 300, "block_tokens": 32, "steps": 30}
    return learn(output, snapshot, **{**values, **fields})


def from_demonstrations(
    output: Path, snapshot: Path, base: Path, *switches: str, **fields: object
) -> int:
    values = {"stage": "demonstrations", "base_model": base, "learning_rate": 0.01, "steps": 6}
    return learn(output, snapshot, *switches, **{**values, **fields})


LAUNCH = (sys.executable, "-m", "accelerate.commands.launch", "--num_processes=2")


def in_two_processes(script: str, *switches: str, kind: str, **fields: object) -> int:
    """The exit code. `kind` is accelerate's name for several processes, on any device."""
    command = [*LAUNCH, f"--{kind}", "--main_process_port=0", script, *_flags(fields), *switches]
    return subprocess.run(command, check=False, timeout=120).returncode


def on_two_machines(script: str, **fields: object) -> None:
    """One process on each: a launch for either, as on machines that share the run folder."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--num_machines=2", "--main_process_ip=127.0.0.1", f"--main_process_port={port}"]
    machines = [
        subprocess.Popen(
            [*LAUNCH, "--multi_gpu", *where, f"--machine_rank={rank}", script, *_flags(fields)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for rank in range(2)
    ]
    assert [machine.wait(120) for machine in machines] == [0, 0]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    [file] = folder.glob("*.safetensors")
    return load_file(file)


def result_of(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{output}.run", "result.json").read_text())
    return found


def failure_of(output: Path) -> str:
    reason: str = json.loads(Path(f"{output}.run", "failure.json").read_text())["reason"]
    return reason


def phases_of(output: Path) -> list[str]:
    lines = Path(f"{output}.run", "progress.jsonl").read_text().splitlines()
    return list(dict.fromkeys(json.loads(line)["phase"] for line in lines))


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch, by: type[BaseException] = Killed) -> None:
    """Lets the next run end, as if killed, when it tells that training step's metrics."""
    tell = RunFolder.progress

    def progress(
        run: RunFolder, phase: str, at: int, total: int, metrics: dict[str, float] | None = None
    ) -> None:
        tell(run, phase, at, total, metrics)
        if phase == "training" and metrics and at == step:
            raise by

    monkeypatch.setattr(RunFolder, "progress", progress)


def _flags(values: dict[str, object]) -> list[str]:
    return [
        part
        for name, value in values.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
