import time
import zipfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import NoRoom
from annotation.exchange.reading.archives import unpacked
from annotation.exchange.reading.datasets import Part, parts_of
from annotation.exchange.reading.mapping import MEANINGS, Mapping
from annotation.exchange.wording import Unreadable
from annotation.management.projects import project_to_change
from annotation.models import Project, PromptUpload
from annotation.selectors.previews import preview_of
from annotation.services.hub import NAME, NotFetched, fetch_dataset
from annotation.services.imports import ImportRefused, begin_to_add, give_up
from annotation.services.mappings import name_columns
from annotation.services.uploads import receive_upload, work_on_upload

Status = PromptUpload.Status
SHOWN = 20  # bad rows


class Command(BaseCommand):
    help = (
        "Show what is in a file of prompts, answers, judgments or texts; with --add, add it to a "
        "project."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            help="a file, a folder of them (a Hugging Face data set, or LLaMA-Factory's with its "
            "dataset_info.json), a zip archive of one, or the name of a data set on the hub",
        )
        parser.add_argument("--project", required=True, help="its address, such as demo")
        parser.add_argument("--language", default="", help="of rows that do not name one")
        parser.add_argument(
            "--column",
            action="append",
            default=[],
            metavar="NAME=MEANING",
            help=f"what a column means: {', '.join(filter(None, MEANINGS))}",
        )
        parser.add_argument(
            "--counts-from",
            type=int,
            choices=(0, 1),
            help="with --column: the number of the first answer, where numbers say which is better",
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
        project = project_to_change(options["project"])
        with _folder_or_file(options["file"]) as source:
            try:
                parts = parts_of(source)
            except Unreadable as problem:
                raise CommandError(f"{options['file']}: {problem}") from problem
            for part in parts:
                if len(parts) > 1:
                    self.stdout.write(f"{part.file.relative_to(source)}:")
                self._import(project, part, options)

    def _import(self, project: Project, part: Part, options: dict[str, Any]) -> None:
        file, language = part.file, options["language"]
        try:
            upload = receive_upload(
                project, None, part.chunks(), file.name, language, with_preview=True
            )
        except OSError as problem:
            raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
        except Unreadable as problem:
            raise CommandError(f"{file}: {problem}") from problem
        upload = _worked(upload)
        try:
            if options["column"] and upload.status in (Status.MAPPING, Status.WAITING):
                name_columns(upload, _mapping(options["column"], options["counts_from"]))
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
            if report["counts_from"] is not None:
                guess.append(f"--counts-from {report['counts_from']}")
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
            more = f" and {preview.more_dropped} more" if preview.more_dropped else ""
            self.stdout.write(f"  dropped: {', '.join(preview.dropped)}{more}")
        for suspicion in preview.suspicions:
            self.stdout.write(f"  {suspicion}")
        for place, problem in preview.problems[:SHOWN]:
            self.stdout.write(f"  row {place}: {problem}")


@contextmanager
def _folder_or_file(name: str) -> Iterator[Path]:
    """What is there; an archive unpacked for as long as it is read; a data set of the hub."""
    path = Path(name)
    if path.is_file() and zipfile.is_zipfile(path):
        try:
            with unpacked(path) as folder:
                yield folder
        except NoRoom as problem:
            raise CommandError(
                f"{path} takes {problem.needed / 1e6:.0f} MB unpacked, more than is free in "
                f"{problem.filename}: unpack it where there is room and name that folder."
            ) from problem
        except Unreadable as problem:
            raise CommandError(f"{path}: {problem}") from problem
    elif not path.exists() and NAME.fullmatch(name):
        try:
            yield fetch_dataset(name)
        except NotFetched as problem:
            raise CommandError(str(problem)) from problem
    else:
        yield path


def _worked(upload: PromptUpload) -> PromptUpload:
    """After this process or a worker has done all that there was to do.

    Raises CommandError where its project is archived meanwhile.
    """
    while True:
        more = work_on_upload(upload.pk)
        upload.refresh_from_db()
        if not upload.is_active:
            return upload
        if not more:
            project_to_change(upload.project.slug)
            time.sleep(0.5)  # a worker has it


def _mapping(columns: list[str], counts_from: int | None) -> Mapping:
    meanings = dict(column.rpartition("=")[::2] for column in columns)
    if unknown := set(meanings.values()) - set(MEANINGS):
        raise CommandError(f"No column can mean {', '.join(sorted(unknown))}.")
    return Mapping(meanings, counts_from=counts_from)
