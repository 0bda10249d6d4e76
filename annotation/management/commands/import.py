import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.reading.mapping import MEANINGS, Mapping
from annotation.management.projects import project_at
from annotation.models import PromptUpload
from annotation.selectors.previews import preview_of
from annotation.services.imports import ImportRefused, begin_to_add, give_up, name_columns
from annotation.services.uploads import receive_upload, work_on_upload

Status = PromptUpload.Status
CHUNK = 1 << 20
SHOWN = 20  # bad rows


class Command(BaseCommand):
    help = (
        "Show what is in a file of prompts, answers, judgments or texts; with --add, add it to a "
        "project."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--project", required=True, help="its address, such as demo")
        parser.add_argument("--language", default="", help="of rows that do not name one")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=MEANING",
            help=f"what a column means: {', '.join(filter(None, MEANINGS))}",
        )
        parser.add_argument("--add", action="store_true", help="add it, after what was found")
        parser.add_argument("--source", default="", help="where it is from; needed with --add")
        parser.add_argument("--licence", default="", help="needed with --add")
        parser.add_argument(
            "--consent",
            action="store_true",
            help="those who wrote and judged it agreed to this use, or its licence allows it",
        )
        parser.add_argument(
            "--leave-out", action="store_true", help="add it without the rows that cannot be taken"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["add"] and not (options["source"] and options["licence"] and options["consent"]):
            raise CommandError("--add needs --source, --licence and --consent.")
        project = project_at(options["project"])
        file: Path = options["file"]
        try:
            upload = receive_upload(
                project, None, _chunks(file), file.name, options["language"], with_preview=True
            )
        except OSError as problem:
            raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
        upload = _worked(upload)
        try:
            if options["column"] and upload.status in (Status.MAPPING, Status.WAITING):
                name_columns(upload, _mapping(options["column"]))
                upload = _worked(upload)
            self._show(upload)
            if options["add"]:
                asked = {name: options[name] for name in ("source", "licence")}
                leaves_out = options["leave_out"]
                begin_to_add(upload, has_consent=True, leaves_out=leaves_out, **asked)
                upload = _worked(upload)
                self.stdout.write(f"Added: {upload.prompts} prompts, {upload.added} groups.")
        except ImportRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        finally:
            give_up(upload)

    def _show(self, upload: PromptUpload) -> None:
        """Raises CommandError for what cannot be added."""
        if upload.status == Status.REFUSED:
            raise CommandError(upload.problem_said)
        report = upload.report
        if upload.status == Status.MAPPING:
            guess = [f"--column '{name}={its}'" for name, its in report["guess"] if its]
            columns = ", ".join(name for name, _example in report["columns"])
            raise CommandError(
                f"Its shape is not known. Columns: {columns}. Say what they mean; a guess: "
                f"{' '.join(guess) or 'none'}"
            )
        self.stdout.write(f"{report['container']}, {report['shape'] or 'columns as named'}")
        preview = preview_of(upload)
        for word, count in preview.counts:
            self.stdout.write(f"  {count} {word}")
        for name, meaning, _example in preview.columns:
            self.stdout.write(f"  {name}: {meaning}")
        if preview.dropped:
            self.stdout.write(f"  dropped: {', '.join(preview.dropped)}")
        for suspicion in preview.suspicions:
            self.stdout.write(f"  {suspicion}")
        for place, problem in preview.problems[:SHOWN]:
            self.stdout.write(f"  row {place}: {problem}")


def _chunks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _worked(upload: PromptUpload) -> PromptUpload:
    """After this process or a worker has done all that there was to do."""
    while True:
        more = work_on_upload(upload.pk)
        upload.refresh_from_db()
        if not upload.is_active:
            return upload
        if not more:
            time.sleep(0.5)  # a worker has it


def _mapping(columns: list[str]) -> Mapping:
    meanings = dict(column.rpartition("=")[::2] for column in columns)
    if unknown := set(meanings.values()) - set(MEANINGS):
        raise CommandError(f"No column can mean {', '.join(sorted(unknown))}.")
    return Mapping(meanings)
