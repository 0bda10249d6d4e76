from typing import Any

import pytest
from django.template import Context, Template

from annotation.templatetags.numbers import figure, percent


@pytest.mark.parametrize(
    ("share", "shown"), [(0.726, "73 %"), (0, "0 %"), (1.0, "100 %"), (None, "–")]
)
def test_a_share_is_shown_in_whole_percent(share: float | None, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (3.14159, "3.14"), (31.04, "31.0"), (1e-5, "1.00e-05"), (7, "7")],
)
def test_a_figure_has_the_digits_that_it_needs(value: Any, shown: str) -> None:
    assert figure(value) == shown


def test_what_is_missing_is_a_dash() -> None:
    page = Template("{% load numbers %}{{ metrics.accuracy|percent }}{{ metrics.loss|figure }}")
    assert page.render(Context({"metrics": {}})) == "––"
