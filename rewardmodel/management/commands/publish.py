import shutil
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import complete_or_absent, is_disk_full
from annotation.management.projects import project_at
from annotation.models import PolicyVersion
from rewardmodel.model_card import model_card
from rewardmodel.selectors import files_of, policies_of, reward_models_of
from rewardmodel.selectors.versions import Version
from rewardmodel.services.merging import write_merged


class Command(BaseCommand):
    help = (
        "Copy a version to a folder, with a model card: as transformers, peft and TRL load it. "
        "With --hub push it to the Hugging Face hub, or to the one that HF_ENDPOINT names."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")
        parser.add_argument("kind", choices=["policy", "reward"])
        parser.add_argument("number", type=int)
        parser.add_argument("folder", type=Path, nargs="?", help="which must not exist yet")
        parser.add_argument(
            "--hub",
            metavar="OWNER/NAME",
            help="push it there, into a private repository if there is none; HF_TOKEN may write",
        )
        parser.add_argument(
            "--merge", action="store_true", help="a policy's adapter, into its base model"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project, folder, hub = project_at(options["project"]), options["folder"], options["hub"]
        of_kind = policies_of if options["kind"] == "policy" else reward_models_of
        version: Version | None = of_kind(project).filter(number=options["number"]).first()
        if version is None:
            raise CommandError(f"There is no {options['kind']} version {options['number']}.")
        if folder is None and hub is None:
            raise CommandError("Name a folder to copy it to, or --hub OWNER/NAME, or both.")
        with tempfile.TemporaryDirectory() as aside:
            target = folder.absolute() if folder else Path(aside) / "version"
            self._copy(version, target, merge=options["merge"])
            if folder:
                self.stdout.write(f"{target} holds {version}, with a model card in README.md.")
            if hub:
                self.stdout.write(f"{push(target, hub, str(version))} holds {version}.")

    def _copy(self, version: Version, target: Path, *, merge: bool) -> None:
        if target.exists():
            raise CommandError(f"{target} exists already: name another folder.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            publish(version, target, merge=merge)
        except OSError as problem:
            sentence = "the disk is full" if is_disk_full(problem) else str(problem.strerror)
            raise CommandError(f"{target} cannot be written: {sentence}.") from problem


def publish(version: Version, target: Path, *, merge: bool) -> None:
    """Raises CommandError and OSError; the folder is complete or absent."""
    folder = files_of(version)
    if merge:
        merged(version, target)
        return
    if folder is None:
        raise CommandError(
            f"{version} has no files of its own: it is {version.base_model}. With --merge that "
            "is copied."
        )
    with complete_or_absent(target) as aside:
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        (aside / "README.md").write_text(model_card(version), encoding="utf-8")


def merged(version: Version, target: Path) -> None:
    """The whole language model, its adapter added to its weights."""
    from annotation.lm.loading import PolicyUnavailable

    if not isinstance(version, PolicyVersion):
        raise CommandError("A reward model is whole already: leave out --merge.")
    try:
        write_merged(version, target)
    except PolicyUnavailable as problem:
        raise CommandError(str(problem)) from problem


def push(folder: Path, name: str, called: str) -> str:
    """Its address on the hub. Raises CommandError."""
    from httpx2 import HTTPError  # huggingface_hub's own
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    hub = HfApi()
    try:
        address = hub.create_repo(name, private=True, exist_ok=True)
        hub.upload_folder(repo_id=name, folder_path=folder, commit_message=f"Laoshi: {called}")
    except HFValidationError as problem:
        raise CommandError(f"{name} is no name on a hub: OWNER/NAME.") from problem
    except (HTTPError, OSError, ValueError) as problem:  # ValueError: of what is in the card
        sentence = " ".join(str(problem).split())
        raise CommandError(f"{name} cannot be pushed: {sentence}") from problem
    return str(address)
