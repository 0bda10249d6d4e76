"""Verdicts are codes with values, worded in one place."""

import json
import string

import numpy as np
import pytest

from rewardmodel.learning.core.codes import WORDING, Code
from rewardmodel.learning.core.gate import (
    Gate,
    Verdict,
    as_json,
    from_json,
    read_report,
    report,
    word,
)
from rewardmodel.learning.policy.metrics import Changes, PolicyMetrics, policy_gate

STOPPED = Verdict(Code.STOPPED_BY_BUDGET, {"steps": 3, "divergence": 30.14})


def names_in(template: str) -> set[str]:
    return {name for _text, name, _format, _as in string.Formatter().parse(template) if name}


def policy(reward: float, kl: float) -> PolicyMetrics:
    return PolicyMetrics(answers=8, reward=reward, score=reward, kl=kl, ended=1.0, tokens=5.0)


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_its_wording(code: Code) -> None:
    values = dict.fromkeys(names_in(WORDING[code]), 1.5)
    assert word(Verdict(code, values))


def changed(gain: float, prompts: int = 8) -> Changes:
    """Every prompt's reward by as much, and no end less."""
    return Changes(np.full(prompts, gain), np.zeros(prompts))


def test_numbers_are_kept_in_full_and_rounded_where_they_are_worded() -> None:
    gate = policy_gate(policy(1 / 3, 0.0), policy(2 / 3, 2.04), changed(1 / 3), kl_budget=10.0)
    values = gate.verdict.values
    assert (values["before"], values["after"]) == (1 / 3, 2 / 3)
    assert (values["divergence"], values["budget"]) == (2.04, 10.0)
    assert word(gate.verdict) == (
        "Better: held-out reward rose from 0.333 to 0.667, by 0.333 (0.333 to 0.333), at a "
        "divergence of 2.0 nats, within the budget of 10."
    )


def test_a_verdict_on_a_run_that_was_stopped_early_says_both() -> None:
    before, after = policy(0.1, 0.0), policy(0.05, -0.01)
    gate = policy_gate(before, after, changed(-0.05), kl_budget=10.0, stopped=STOPPED)
    assert gate.verdict.code == Code.POLICY_NO_GAIN
    assert word(gate.verdict) == (
        "Held-out reward went from 0.100 to 0.050 at a divergence of 0.0 nats: no gain. "
        "Training stopped after 3 steps at a divergence of 30.1 nats."
    )


def test_a_verdict_is_read_back_as_it_was_stored() -> None:
    before, after = policy(0.1, 0.0), policy(1 / 3, 2.0)
    gate = policy_gate(before, after, changed(0.2), kl_budget=10.0, stopped=STOPPED)
    stored = json.loads(json.dumps(as_json(gate.verdict)))
    assert stored["code"] == "policy_better"
    assert stored["values"]["stopped"]["values"] == {"steps": 3, "divergence": 30.14}
    assert from_json(stored) == gate.verdict


def test_a_report_says_a_verdict_in_words_too_and_is_read_back() -> None:
    reported = json.loads(json.dumps(report(STOPPED)))
    assert reported == {
        "code": "stopped_by_budget",
        "values": {"steps": 3, "divergence": 30.14},
        "reason": "stopped after 3 steps at a divergence of 30.1 nats",
    }
    assert read_report(reported) == STOPPED


def test_a_gate_is_reported_with_what_it_found() -> None:
    assert Gate(False, Verdict(Code.BEST_OF_N_REPORT)).report() == {
        "passed": False,
        "code": "best_of_n_report",
        "values": {},
        "reason": "A report of best-of-n: nothing was trained.",
    }


def test_last_words_are_kept_as_they_are() -> None:
    said = Verdict(Code.PROCESS_DIED, {"times": 3, "words": "one {loss}\ntwo %(loss)s."})
    assert word(said).endswith("Its last words: one {loss}\ntwo %(loss)s.")


def test_free_text_is_left_alone() -> None:
    sentence = "There is no snapshot at {groups}.jsonl."
    assert word(sentence) == from_json(as_json(sentence)) == sentence
    assert report(sentence) == {"reason": sentence}
    assert read_report(report(sentence)) == sentence
