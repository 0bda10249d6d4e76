import re

import pytest

from rewardmodel.learning.core.gate import Reason, read


@pytest.mark.parametrize("reason", list(Reason))
def test_a_sentence_is_read_back_as_template_and_values(reason: Reason) -> None:
    names = re.findall(r"%\((\w+)\)s", reason)
    values = {name: f"{number}.5" for number, name in enumerate(names)}
    assert read(reason % values) == (reason, values)


def test_a_verdict_on_a_run_that_was_stopped_early_is_read_as_two() -> None:
    verdict = "Held-out reward went from 0.1 to 0.2 at a divergence of 3.0 nats: no gain."
    found = read(f"{verdict} Training stopped after 3 steps at a divergence of 30.1 nats.")
    assert found is not None
    reason, values = found
    assert reason == Reason.AND_STOPPED
    assert values["verdict"] == verdict
    assert values["stopped"] == "stopped after 3 steps at a divergence of 30.1 nats"


def test_last_words_of_several_lines_are_kept() -> None:
    found = read(Reason.DIED_IN_PLACE % {"times": 3, "words": "one\ntwo."})
    assert found == (Reason.DIED_IN_PLACE, {"times": "3", "words": "one\ntwo."})


def test_any_other_sentence_is_left_alone() -> None:
    assert read("There is no snapshot at groups.jsonl.") is None
