"""All rows of a query for whoever reads them to the end."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection
from django.db.models import QuerySet

CHUNK = 2000


def rows_of(queryset: QuerySet[Any], types: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    """The columns by name, with PostgreSQL's type of each; what is no number or truth value comes
    as a text, and a time may.

    PostgreSQL copies them out: it goes on reading while what came is worked on. Who stops before
    the end ends the transaction.
    """
    chosen = queryset.values_list(*types)
    if connection.vendor != "postgresql":
        yield from chosen.iterator(chunk_size=CHUNK)
        return
    sql, values = chosen.query.sql_with_params()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({sql}) TO STDOUT", values) as copy:
        copy.set_types(list(types.values()))
        yield from copy.rows()
