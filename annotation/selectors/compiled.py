"""Reads that every label takes: building their SQL costs Django more than running it."""

from collections.abc import Callable
from functools import cached_property
from typing import Generic, TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=Model)
MARK = -1_000_001


class Compiled(Generic[M]):
    """A queryset by the values that it filters on, turned into SQL once a process.

    `build` takes those values (primary keys, texts) and nothing else may vary: a time is the
    database's `Now()`. Nothing is joined in: rows come as instances of the queryset's own model.
    One that locks its rows raises TransactionManagementError where no transaction would keep the
    locks, at every call and on every database.
    """

    def __init__(self, build: Callable[..., QuerySet[M]]) -> None:
        self.build = build
        self._columns: list[str] | None = None

    @cached_property
    def _statement(self) -> tuple[type[M], bool, str, tuple[object, ...]]:
        marks = [MARK - index for index in range(self.build.__code__.co_argcount)]
        built = self.build(*marks)
        return (built.model, built.query.select_for_update, *built.query.sql_with_params())

    def __call__(self, *values: int | str) -> list[M]:
        model, is_locking, sql, marked = self._statement
        if is_locking and transaction.get_autocommit():
            raise TransactionManagementError("Rows stay locked only within a transaction.")
        known: dict[object, int | str] = {}
        for index, value in enumerate(values):
            known[MARK - index] = known[str(MARK - index)] = value  # a text column makes it a text
        found = model._default_manager.raw(sql, [known.get(p, p) for p in marked])
        if self._columns is not None:
            found.columns = self._columns  # the same each time: no need to ask the cursor again
        rows = list(found)
        self._columns = found.columns
        return rows
