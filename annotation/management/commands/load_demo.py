from typing import Any

from django.core.management.base import BaseCommand

from annotation.services.demo import load_demo


class Command(BaseCommand):
    help = "Create the demo project and its accounts, unless there are users already."

    def handle(self, *args: Any, **options: Any) -> None:
        if load_demo():
            self.stdout.write("Demo project created; accounts are in var/demo-accounts.txt.")
