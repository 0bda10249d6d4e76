"""The demo project: prompts written for it, an admin and two labelers."""

import secrets
from pathlib import Path

from django.conf import settings
from django.db import transaction

from annotation.exchange.files import write_private
from annotation.exchange.prompts import parse_prompts
from annotation.models import Membership, Project, User
from annotation.services.projects import create_project, set_member
from annotation.services.prompts import add_prompts

FOLDER = Path(__file__).resolve().parent.parent / "demo"
ACCOUNTS_FILE = "demo-accounts.txt"
LABELERS = ("labeler1", "labeler2")
# Without it the default model seldom ends an answer by itself, see bench/endings.py. Others do, and
# some take no system prompt.
SYSTEM_PROMPT = "Answer in at most 15 words."


@transaction.atomic
def load_demo() -> bool:
    """Creates the demo project and its accounts; False, changing nothing, when any user exists.

    The random passwords are written to var/demo-accounts.txt, readable by its owner only.
    """
    if User.objects.exists():
        return False
    passwords = {name: secrets.token_urlsafe(9) for name in ("admin", *LABELERS)}
    admin = User.objects.create_superuser("admin", password=passwords["admin"])
    project = create_project(
        Project(
            name="Demo",
            slug="demo",
            guidelines=(FOLDER / "guidelines.en.md").read_text(),
            queue_target=12,
            system_prompt=SYSTEM_PROMPT if _answers_by_default_model() else "",
            temperature=0.7,
            max_new_tokens=200,
            training_threshold=12,
        ),
        owner=admin,
    )
    for name in LABELERS:
        labeler = User.objects.create_user(name, password=passwords[name])
        set_member(project, labeler, Membership.Role.LABELER)
    with (FOLDER / "prompts.jsonl").open(encoding="utf-8") as lines:
        add_prompts(project, parse_prompts(lines))
    _write_accounts(passwords)
    return True


def _answers_by_default_model() -> bool:
    return bool(str(settings.DEFAULT_POLICY_FOLDER) == settings.POLICY_MODEL)


def _write_accounts(passwords: dict[str, str]) -> None:
    lines = "".join(f"{name} {password}\n" for name, password in passwords.items())
    write_private(settings.VAR_FOLDER / ACCOUNTS_FILE, lines)
