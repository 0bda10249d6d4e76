"""Runs from start to outcome, every write to runs and versions; training is in learning/."""

from rewardmodel.services.cancelling import go_on_with, request_cancel
from rewardmodel.services.runs import (
    RunRefused,
    start_demonstrations_run,
    start_due_run,
    start_policy_run,
    start_reward_run,
    start_run,
    start_text_run,
)
from rewardmodel.services.training_settings import as_run_takes_it

__all__ = [
    "RunRefused",
    "as_run_takes_it",
    "go_on_with",
    "request_cancel",
    "start_demonstrations_run",
    "start_due_run",
    "start_policy_run",
    "start_reward_run",
    "start_run",
    "start_text_run",
]
