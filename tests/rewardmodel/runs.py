"""Runs as a supervisor has them: claimed, ended, silent."""

import json
from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotation.models import Project
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Gate, Verdict
from rewardmodel.models import TrainingRun
from rewardmodel.services import start_policy_run, start_reward_run
from rewardmodel.services.claims import claim_run
from rewardmodel.services.outcomes import complete_run

BECAUSE = Verdict(Code.POLICY_GAIN, {"before": 0.1, "after": 1 / 3, "divergence": 2, "budget": 9})


def claimed(run: TrainingRun) -> TrainingRun:
    taken = claim_run(run.pk)
    assert taken is not None
    return taken


def result(run: TrainingRun, *, passed: bool) -> dict[str, Any]:
    return {
        "output": run.config["output"],
        "sha256": "0" * 64,
        "metrics": {"heldout": {"accuracy": 0.75, "log_loss": 0.6}},
        "gate": Gate(passed, BECAUSE).report(),
        "samples": [],
        "provenance": {"commit": "abc", "libraries": {"torch": "2"}, "config": {}},
    }


def updated(project: Project) -> TrainingRun:
    """A reward model and a policy that both passed."""
    run = claimed(start_reward_run(project))
    complete_run(run, result(run, passed=True))
    update = claimed(start_policy_run(project))
    complete_run(update, result(update, passed=True))
    return update


def silence(run: TrainingRun) -> None:
    TrainingRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=1))


def attempts(run: TrainingRun) -> list[list[int]]:
    """The steps of training that each attempt reported, as far as it came to report any."""
    found: list[list[int]] = [[]]
    for line in map(json.loads, (run.folder / "progress.jsonl").read_text().splitlines()):
        if line["phase"] == "loading" and found[-1]:
            found.append([])
        elif line["phase"] == "training":
            found[-1].append(line["step"])
    return [steps for steps in found if steps]


def went_on(run: TrainingRun) -> bool:
    """Whether no attempt but the first began with the first step."""
    first, *later = attempts(run)
    return bool(later) and min(first) <= 1 and all(min(steps) > 1 for steps in later)
