"""A policy version as one whole model: its adapter added to its base model's weights."""

from pathlib import Path

from django.db import transaction

from annotation.exchange.files import complete_or_absent, require_room
from annotation.models import MergedModel, PolicyVersion, User
from annotation.services.calling import call_after_commit
from annotation.services.jobs import Progress, end_with_file, make_next, said, workplace
from config import space
from config.celery import app
from rewardmodel.archive import BLOCK, Archive
from rewardmodel.model_card import model_card
from rewardmodel.selectors.versions import merged_model_of


def ask_for_merged(policy: PolicyVersion, by: User) -> MergedModel:
    """The one that is there or being made, or one that a worker is asked for."""
    with transaction.atomic():
        PolicyVersion.objects.select_for_update().get(pk=policy.pk)
        there = merged_model_of(policy)
        if there is not None and (there.is_active or there.status == MergedModel.Status.DONE):
            return there
        job = MergedModel.objects.create(project=policy.project, policy=policy, requested_by=by)
        call_after_commit(call_worker)
    return job


def call_worker() -> None:
    app.send_task("rewardmodel.tasks.merge_models")


def merge_next() -> bool:
    """False where none waits, or one is being made."""
    return make_next(MergedModel, _make)


def _make(job: MergedModel) -> None:
    with workplace(job) as folder, (folder / job.file.name).open("wb") as file:
        with said(job, progress := Progress()):
            write_merged(job.policy, folder / "whole", copies=2)
            with Archive(folder / "whole", job.file_name.removesuffix(".tar"), {}) as archive:
                while block := archive.read(BLOCK):
                    progress.require()
                    file.write(block)
        end_with_file(job, file, progress)


def write_merged(policy: PolicyVersion, target: Path, *, copies: int = 1) -> None:
    """The folder is complete or absent. Raises PolicyUnavailable and OSError: NoRoom where the disk
    does not hold so many copies of it."""
    from annotation.lm.chat import Chat
    from annotation.lm.loading import PolicySource, load_merged_policy

    model, tokenizer = load_merged_policy(PolicySource(policy.base_model, policy.adapter))
    with complete_or_absent(target) as aside:
        size = sum(weights.nbytes for weights in model.parameters())
        require_room(aside, copies * size + space.RESERVE)
        model.save_pretrained(aside)
        Chat(tokenizer).save(aside)
        (aside / "README.md").write_text(model_card(policy, is_whole=True), encoding="utf-8")
