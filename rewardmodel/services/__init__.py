"""Runs from start to outcome, every write to runs and versions; training is in learning/."""

from rewardmodel.services.runs import (
    RunRefused,
    check_settings,
    request_cancel,
    start_demonstrations_run,
    start_due_run,
    start_policy_run,
    start_reward_run,
    start_run,
    start_text_run,
)

__all__ = [
    "RunRefused",
    "check_settings",
    "request_cancel",
    "start_demonstrations_run",
    "start_due_run",
    "start_policy_run",
    "start_reward_run",
    "start_run",
    "start_text_run",
]
