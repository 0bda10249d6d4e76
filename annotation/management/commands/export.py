import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from annotation.exchange.files import put_in_place, write_aside
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.management.files import writing
from annotation.management.projects import project_at
from annotation.selectors.exports import rows_to_export
from annotation.services.exports import Tally
from annotation.services.snapshots import at_one_moment


class Command(BaseCommand):
    help = "Write a project's judgments to a file, as the page does that takes them out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")
        parser.add_argument("file", type=Path, help="- for the terminal")
        parser.add_argument("--format", choices=FORMATS, default="groups")
        parser.add_argument("--consensus", action="store_true", help="one ranking for each group")
        parser.add_argument("--without-ties", action="store_true")
        parser.add_argument("--gold", action="store_true", help="only rankings marked so by a file")
        parser.add_argument("--agreement", type=float, help="of labelers, at least")
        parser.add_argument("--split", choices=["train", "heldout"], default="")
        parser.add_argument("--language", default="")
        parser.add_argument("--tag", default="", help="of the prompts")

    def handle(self, *args: Any, **options: Any) -> None:
        project, made_as = project_at(options["project"]), FORMATS[options["format"]]
        wanted = Wanted(
            language=options["language"],
            tag=options["tag"],
            split=options["split"],
            agreement=options["agreement"],
            ties=not options["without_ties"],
            gold=options["gold"],
            judgments="consensus" if options["consensus"] else "each",
        )
        with at_one_moment():
            total, found = rows_to_export(project, made_as.source, wanted, uuid.uuid4(), whole=True)
            tally = Tally(total)
            rows = tally.made(found, made_as)
            if str(options["file"]) == "-":
                made_as.container.write(rows, sys.stdout.buffer)
                return
            target = options["file"]
            with writing(target), write_aside(target.parent) as (aside, file):
                made_as.container.write(rows, file)
                put_in_place(file, aside, target)
        self.stdout.write(
            f"{tally.rows} rows of {tally.read} read; {tally.left_out} left out, which "
            f"{made_as.title} cannot hold."
        )
