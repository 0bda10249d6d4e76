"""Days as people type them, of the viewer's time zone."""

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

# At either end of the calendar midnight is beyond it somewhere.
BOUNDS = (MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(2999, 12, 31)))


def day_input() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


class DayField(forms.DateField):
    def __init__(self, label: Any) -> None:
        super().__init__(label=label, required=False, widget=day_input(), validators=BOUNDS)


def midnight_of(day: date) -> datetime:
    """The moment at which it begins."""
    return timezone.make_aware(datetime.combine(day, time.min))
