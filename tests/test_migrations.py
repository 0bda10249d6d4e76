"""An upgrade loses nothing: a database of an earlier version is found again in the newest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from annotation.models import Project
from tests.earlier import VERSION, Database, database_of_its_own

NOW_CALLED = {"annotation.place": "annotation.assignment"}
"""Models that were renamed since. A migration that means to change a value is a line here, too."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def empty_database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[None]:
    with django_db_blocker.unblock(), database_of_its_own(tmp_path):
        yield


def rows_of(models: Any) -> Rows:
    """Every row of the models, by model, each field by the name of its column."""
    return {
        model._meta.label_lower: list(model._default_manager.order_by("pk").values())
        for model in models
        if model._meta.app_label in VERSION
    }


@pytest.fixture
def earlier(empty_database: None) -> Any:
    """The models of the earlier version, whose database has a row of each."""
    for application, migration in VERSION.items():
        call_command("migrate", application, migration, verbosity=0)
    loader = MigrationExecutor(connection).loader
    models = loader.project_state(list(VERSION.items())).apps
    Database(models).fill()
    return models


def test_every_field_of_every_row_is_found_again(earlier: Any) -> None:
    before = rows_of(earlier.get_models())
    assert [model for model, rows in before.items() if not rows] == []
    call_command("migrate", verbosity=0)
    connection.check_constraints()
    after = rows_of(apps.get_models())
    for model, rows in before.items():
        found = {row["id"]: row for row in after[NOW_CALLED.get(model, model)]}
        for row in rows:
            now = found[row["id"]]
            assert {name: now.get(name, "is gone") for name in row} == row, model


def test_a_number_that_had_no_bounds_becomes_the_nearest_bound(earlier: Any) -> None:
    largest = 2**31 - 1
    earlier.get_model("annotation.Project").objects.update(
        queue_target=largest, lease_minutes=largest, training_threshold=0, kl_budget=1e300
    )
    call_command("migrate", verbosity=0)
    project = Project.objects.get()
    assert (project.queue_target, project.lease_minutes) == (10_000, 7 * 24 * 60)
    assert (project.training_threshold, project.kl_budget) == (1, 1_000_000)


def test_a_ranking_of_two_ranks_in_a_project_of_verdicts_goes_on_being_shown_as_verdicts(
    earlier: Any,
) -> None:
    [before] = rows_of(earlier.get_models())["annotation.ranking"]
    assert before["ranks"] == [1, 2, 2]
    call_command("migrate", verbosity=0)
    [ranking] = rows_of(apps.get_models())["annotation.ranking"]
    assert ranking["mode"] == "thumbs"
