from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.demonstrations import parse_demonstrations
from annotation.exchange.prompts import UnreadablePrompt
from annotation.management.projects import project_to_change
from annotation.models import User
from annotation.services.demonstrations import import_demonstrations


class Command(BaseCommand):
    help = "Add the prompts and answers of a JSON Lines file ({messages: [...]}) to a project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")
        parser.add_argument("author", help="user name under which the answers are stored")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        project = project_to_change(options["project"])
        author = User.objects.filter(username=options["author"]).first()
        if author is None:
            raise CommandError(f"There is no user named {options['author']!r}.")
        try:
            with options["file"].open(encoding="utf-8") as lines:
                count = import_demonstrations(project, author, parse_demonstrations(lines))
        except OSError as problem:
            raise CommandError(
                f"{options['file']} cannot be read: {problem.strerror}."
            ) from problem
        except UnreadablePrompt as problem:
            raise CommandError(f"{options['file']}: {problem}") from problem
        self.stdout.write(f"{count} answers were added or changed.")
