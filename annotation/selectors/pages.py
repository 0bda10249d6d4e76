"""Paging by id: the cost of a page does not grow with what comes before it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

PAGE_SIZE = 50


@dataclass(frozen=True)
class Page:
    """Up to `PAGE_SIZE` rows, newest first, and where the older ones begin."""

    rows: list[Any]
    older: int | None
    is_first: bool


def page_of(queryset: QuerySet[Any], before: str, size: int = PAGE_SIZE) -> Page:
    """The rows with ids below `before`, or the newest; a broken `before` means the newest."""
    newest = not before.isdecimal()
    rows = queryset.order_by("-id")
    if not newest:
        rows = rows.filter(id__lt=min(int(before), 2**63 - 1))
    found = list(rows[: size + 1])
    older = found[size - 1].pk if len(found) > size else None
    return Page(found[:size], older, newest)
