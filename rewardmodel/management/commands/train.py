from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.untrusted_json import parse_json
from annotation.management.projects import project_at
from rewardmodel.models import TrainingRun
from rewardmodel.services import RunRefused, start_run, start_text_run


class Command(BaseCommand):
    help = (
        "Queue a run of a project: text (stage 1), demonstrations (2), reward model (3), policy "
        "update (4), or the report of what pretraining helps to stages 2 and 3."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")
        parser.add_argument("kind", choices=TrainingRun.Kind.values)
        parser.add_argument(
            "--text", type=Path, help="file or folder for stage 1; default: var/texts/PROJECT"
        )
        parser.add_argument(
            "--overrides",
            type=parse_json,
            default={},
            help="JSON, for the first two stages and for pretraining",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_at(options["project"])
        if options["text"] is not None and options["kind"] != TrainingRun.Kind.TEXT:
            raise CommandError("--text goes with the kind text only.")
        try:
            if options["text"] is not None:
                run = start_text_run(project, options["text"], options["overrides"])
            else:
                run = start_run(project, options["kind"], options["overrides"])
        except RunRefused as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"Queued as run {run.pk}: see /projects/{project.slug}/runs/{run.pk}/.")
