"""Files that are taken out, written by a worker; complete or absent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from annotation.exchange.writing.formats import Format
from annotation.exchange.writing.wanted import Wanted
from annotation.models import Export, Project, User
from annotation.selectors.exports import rows_to_export
from annotation.services.calling import call_after_commit
from annotation.services.jobs import Progress, end_with_file, make_next, said, workplace
from annotation.services.snapshots import at_one_moment
from config.celery import app


def ask_for_export(project: Project, by: User, made_as: Format, wanted: Wanted) -> Export:
    """Writes down what is wanted and asks a worker for it."""
    with transaction.atomic():
        export = Export.objects.create(
            project=project, requested_by=by, format=made_as.name, wanted=wanted.as_json()
        )
        call_after_commit(call_worker)
    return export


def call_worker() -> None:
    app.send_task("annotation.tasks.write_exports")


def write_next_export() -> bool:
    """Writes the oldest export that waits; False where there is none, or one is being written."""
    return make_next(Export, _write)


def _write(export: Export) -> None:
    made_as, wanted = export.made_as, Wanted.from_json(export.wanted)
    with workplace(export) as folder, (folder / export.file.name).open("wb") as file:
        with at_one_moment():
            total, found = rows_to_export(
                export.project, made_as.source, wanted, export.salt, whole=True
            )
            tally = Tally(total)
            with said(export, tally):
                made_as.container.write(tally.made(found, made_as), file)
        end_with_file(export, file, tally)


@dataclass
class Tally(Progress):
    """What was written, too."""

    rows: int = 0
    left_out: int = 0

    def made(
        self, found: Iterator[dict[str, Any] | None], made_as: Format
    ) -> Iterator[Mapping[str, Any]]:
        """The format's rows of what was found. Raises NotHeld."""
        for row in self.each(found):
            if row is None:
                continue
            before = self.rows
            for made in made_as.rows(row):
                self.rows += 1
                yield made
            self.left_out += self.rows == before

    def counts(self) -> dict[str, int]:
        return {**super().counts(), "rows": self.rows, "left_out": self.left_out}
