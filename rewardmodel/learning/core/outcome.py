"""What a gate's verdict says in one word."""

from __future__ import annotations

from enum import StrEnum

from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Reason, Verdict


class Outcome(StrEnum):
    """As people read a gate."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


OUTCOMES = {
    Outcome.PASSED: {
        Code.REWARD_BELOW_CHANCE,
        Code.REWARD_LEARNED,
        Code.POLICY_GAIN,
        Code.POLICY_BETTER,
        Code.LANGUAGE_GAIN,
        Code.LANGUAGE_BELOW_ENTROPY,
    },
    Outcome.FAILED: {
        Code.REWARD_NOT_BELOW_CHANCE,
        Code.REWARD_NOT_LEARNED,
        Code.REWARD_TOO_SURE,
        Code.REWARD_LIKES_LENGTH,
        Code.REWARD_WORSE,
        Code.STUDENT_WORSE,
        Code.POLICY_OVER_BUDGET,
        Code.POLICY_NO_GAIN,
        Code.POLICY_FEWER_ENDS,
        Code.POLICY_OTHER_LENGTH,
        Code.POLICY_LESS_DISTINCT,
        Code.POLICY_SECOND_FELL,
        Code.POLICY_SECOND_WORSE,
        Code.LANGUAGE_NO_GAIN,
        Code.LANGUAGE_NOT_BELOW_ENTROPY,
        Code.PEOPLE_PREFER_OTHER,
    },
    Outcome.UNDECIDED: {
        Code.NO_HELDOUT_PAIRS,
        Code.REWARD_UNDECIDED,
        Code.REWARD_NOT_TAUGHT,
        Code.NO_HELDOUT_PROMPTS,
        Code.POLICY_UNDECIDED,
        Code.POLICY_DOUBTED,
        Code.POLICY_ENDS_UNDECIDED,
        Code.POLICY_LENGTH_UNDECIDED,
        Code.POLICY_DISTINCT_UNDECIDED,
        Code.POLICY_SECOND_UNDECIDED,
        Code.POLICY_UNJUDGED,
        Code.NO_HELDOUT_TEXT,
        Code.LANGUAGE_UNDECIDED,
        Code.NO_UNIGRAM_ENTROPY,
        Code.LANGUAGE_ENTROPY_UNDECIDED,
        Code.OTHER_CHAMPION,
        Code.PEOPLE_UNDECIDED,
        Code.PEOPLE_SAID_NOTHING,
    },
}
"""Of a gate's codes; the others are no gate's."""


def outcome_of(reason: Reason) -> Outcome | None:
    """None of free text, a report, or a run that did not end."""
    found = (
        outcome
        for outcome, codes in OUTCOMES.items()
        if isinstance(reason, Verdict) and reason.code in codes
    )
    return next(found, None)
