from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from annotation.management.projects import project_to_change
from annotation.services.generation import ask_for_answers


class Command(BaseCommand):
    help = "Ask for answers now, up to the project's target of waiting groups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_to_change(options["project"])
        waiting = ask_for_answers(project)
        self.stdout.write(f"{waiting} groups wait for answers; the worker has been asked.")
