import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import complete_or_absent, is_disk_full
from annotation.management.projects import project_at
from annotation.models import PolicyVersion
from rewardmodel.model_card import Version, model_card
from rewardmodel.selectors import files_of, policies_of, reward_models_of


class Command(BaseCommand):
    help = (
        "Copy a version to a folder, with a model card: as transformers, peft and TRL load it, and "
        "as `hf upload OWNER/NAME FOLDER` takes it to a hub."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's address, such as demo")
        parser.add_argument("kind", choices=["policy", "reward"])
        parser.add_argument("number", type=int)
        parser.add_argument("folder", type=Path, help="which must not exist yet")
        parser.add_argument(
            "--merge", action="store_true", help="a policy's adapter, into its base model"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        project, target = project_at(options["project"]), options["folder"].absolute()
        of_kind = policies_of if options["kind"] == "policy" else reward_models_of
        version: Version | None = of_kind(project).filter(number=options["number"]).first()
        if version is None:
            raise CommandError(f"There is no {options['kind']} version {options['number']}.")
        if target.exists():
            raise CommandError(f"{target} exists already: name another folder.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            publish(version, target, merge=options["merge"])
        except OSError as problem:
            sentence = "the disk is full" if is_disk_full(problem) else str(problem.strerror)
            raise CommandError(f"{target} cannot be written: {sentence}.") from problem
        self.stdout.write(f"{target} holds {version}, with a model card in README.md.")


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
    from annotation.lm.chat import Chat
    from annotation.lm.loading import PolicySource, PolicyUnavailable, load_plain_policy

    if not isinstance(version, PolicyVersion):
        raise CommandError("A reward model is whole already: leave out --merge.")
    try:
        model, tokenizer = load_plain_policy(PolicySource(version.base_model, version.adapter))
    except PolicyUnavailable as problem:
        raise CommandError(str(problem)) from problem
    with complete_or_absent(target) as aside:
        model.save_pretrained(aside)
        Chat(tokenizer).save(aside)
        (aside / "README.md").write_text(model_card(version, is_whole=True), encoding="utf-8")
