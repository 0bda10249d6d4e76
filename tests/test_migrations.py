"""An upgrade loses nothing: a database of an earlier version is found again in the newest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from tests.earlier import VERSION, Database, database_of_its_own

NOW_CALLED = {"annotation.place": "annotation.assignment"}
"""Models that were renamed since. A migration that means to change a value is a line here, too."""

UNBOUNDED = "unbounded"
WITHOUT_BOUNDS = {
    **{"queue_target": 2**31 - 1, "lease_minutes": 2**31 - 1},
    **{"training_threshold": 0, "kl_budget": 1e300},
}
Rows = dict[str, list[dict[str, Any]]]


def rows_of(models: Any) -> Rows:
    """Every row of the models, by model, each field by the name of its column."""
    return {
        model._meta.label_lower: list(model._default_manager.order_by("pk").values())
        for model in models
        if model._meta.app_label in VERSION
    }


@dataclass(frozen=True)
class Upgrade:
    before: Rows
    after: Rows


@pytest.fixture(scope="module")
def upgrade(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Upgrade]:
    """Of a database of the earlier version that has a row of each model, and a project whose
    numbers had no bounds."""
    with django_db_blocker.unblock(), database_of_its_own(tmp_path_factory.mktemp("earlier")):
        for application, migration in VERSION.items():
            call_command("migrate", application, migration, verbosity=0)
        loader = MigrationExecutor(connection).loader
        models = loader.project_state(list(VERSION.items())).apps
        Database(models).fill()
        before = rows_of(models.get_models())
        models.get_model("annotation.Project").objects.create(slug=UNBOUNDED, **WITHOUT_BOUNDS)
        call_command("migrate", verbosity=0)
        connection.check_constraints()
        yield Upgrade(before, rows_of(apps.get_models()))


def test_every_field_of_every_row_is_found_again(upgrade: Upgrade) -> None:
    assert [model for model, rows in upgrade.before.items() if not rows] == []
    for model, rows in upgrade.before.items():
        found = {row["id"]: row for row in upgrade.after[NOW_CALLED.get(model, model)]}
        for row in rows:
            now = found[row["id"]]
            assert {name: now.get(name, "is gone") for name in row} == row, model


def test_a_number_that_had_no_bounds_becomes_the_nearest_bound(upgrade: Upgrade) -> None:
    [now] = [row for row in upgrade.after["annotation.project"] if row["slug"] == UNBOUNDED]
    nearest = {"queue_target": 10_000, "lease_minutes": 7 * 24 * 60}
    nearest |= {"training_threshold": 1, "kl_budget": 1_000_000}
    assert {name: now[name] for name in nearest} == nearest


def test_a_ranking_of_two_ranks_in_a_project_of_verdicts_goes_on_being_shown_as_verdicts(
    upgrade: Upgrade,
) -> None:
    [before], [now] = (each["annotation.ranking"] for each in (upgrade.before, upgrade.after))
    assert before["ranks"] == [1, 2, 2]
    assert now["mode"] == "thumbs"
