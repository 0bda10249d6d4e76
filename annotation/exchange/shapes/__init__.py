"""The table of known shapes, the most particular first; a module a family."""

from collections.abc import Sequence

from annotation.exchange.shapes import (
    argilla,
    battles,
    comparisons,
    conversations,
    instructions,
    label_studio,
    lists,
    ours,
    preference,
    prompts,
    summaries,
    tools,
)
from annotation.exchange.shapes.shape import Object, Shape

SHAPES: tuple[Shape, ...] = (
    *ours.SHAPES,
    *label_studio.SHAPES,
    *argilla.SHAPES,
    *lists.SHAPES,
    *comparisons.SHAPES,
    *battles.SHAPES,
    *summaries.SHAPES,
    *tools.SHAPES,
    *conversations.SHAPES,
    *instructions.SHAPES,
    *preference.SHAPES,
    *prompts.SHAPES,
)


def shape_of(rows: Sequence[Object]) -> Shape | None:
    """The first shape that nine of ten rows have, or else half of them; None: nobody knows it.

    Rows that are not of it are problems then, and none of the file is taken unless they are left
    out on purpose.
    """
    for share in (0.9, 0.5):
        for shape in SHAPES:
            if rows and sum(map(shape.fits, rows)) >= share * len(rows):
                return shape
    return None


def shape_named(name: str) -> Shape | None:
    return next((shape for shape in SHAPES if shape.name == name), None)


__all__ = ["SHAPES", "Shape", "shape_named", "shape_of"]
