"""A number of a project stays within its bounds, in its form as in its database."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction

from annotation.models import Project
from annotation.models.project import BOUNDS

FLOATS = {"temperature", "top_p", "kl_budget"}


def test_every_number_of_a_project_has_bounds() -> None:
    numbers = models.PositiveIntegerField, models.PositiveSmallIntegerField, models.FloatField
    fields = Project._meta.get_fields()
    assert {field.name for field in fields if isinstance(field, numbers)} == BOUNDS.keys()


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_themselves_are_allowed(project: Project, name: str) -> None:
    for bound in BOUNDS[name]:
        setattr(project, name, bound)
        project.full_clean()
        project.save()
        project.refresh_from_db()
        assert getattr(project, name) == bound


def beyond(name: str) -> list[float]:
    least, most = BOUNDS[name]
    step = 0.001 if name in FLOATS else 1
    return [least - step, most + step]


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_beyond_them_is_refused_by_its_model(project: Project, name: str) -> None:
    for value in beyond(name):
        setattr(project, name, value)
        with pytest.raises(ValidationError, match=name):
            project.full_clean()


@pytest.mark.parametrize("name", BOUNDS)
def test_a_number_beyond_them_is_refused_by_the_database(project: Project, name: str) -> None:
    for value in beyond(name):
        with pytest.raises(IntegrityError), transaction.atomic():
            Project.objects.filter(pk=project.pk).update(**{name: value})
