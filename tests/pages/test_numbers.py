import re
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Template
from django.utils import translation

from annotation.templatetags.numbers import figure, percent
from rewardmodel.templatetags.metrics import NAMES

LEARNING = Path(__file__).parents[2] / "docs" / "learning.md"
# Lists, which are drawn or stand in columns of their own, and are not listed.
DRAWN = {
    *("answers_by_policy", "checks", "curve", "learning_curve", "learning_curves", "loss_curves"),
    *("changes", "gain_over_prompts", "intervals", "reliability", "samples"),
}


@pytest.mark.parametrize(
    ("share", "shown"), [(0.726, "73 %"), (0, "0 %"), (1.0, "100 %"), (None, "–")]
)
def test_a_share_is_shown_in_whole_percent(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.12345, "0.123"),
        (3.14159, "3.14"),
        (31.04, "31.0"),
        (1.647, "1.65"),
        (1e-5, "1.00e-05"),
        (7, "7"),
    ],
)
def test_a_figure_has_the_digits_that_it_needs(value: Any, shown: str) -> None:
    assert figure(value) == shown


def test_what_is_missing_is_a_dash() -> None:
    page = Template("{% load numbers %}{{ metrics.accuracy|percent }}{{ metrics.loss|figure }}")
    assert page.render(Context({"metrics": {}})) == "––"


def test_every_metric_that_the_docs_explain_has_a_name_in_both_languages() -> None:
    tables = re.findall(r"(?m)^\| metric \|.*\n(?:\|.*\n)+", LEARNING.read_text())
    cells = re.findall(r"(?m)^\|([^|]*)\|", "".join(tables))
    explained = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert len(explained) > 40
    assert explained - DRAWN <= NAMES.keys()
    with translation.override("zh-hans"):
        english = {name for name in explained - DRAWN if str(NAMES[name]).isascii()}
    assert english <= {"kl"}
