"""A new project that begins as another one did."""

from django.db import transaction

from annotation.models import Membership, Project, Prompt, User
from annotation.selectors.projects import made_just_now, may_begin_with
from annotation.services.assignments import lock_user
from annotation.services.projects import create_project, set_member
from rewardmodel.models import TrainingRun
from rewardmodel.services.training_settings import OWN, STARTS_FROM

OF_ONE_PROJECT = {
    *("id", "name", "slug", "is_active", "created_at", "archived_at", "deletion_asked_at"),
    "training_daily_since",
}
AT_ONCE = 500  # prompts a statement


@transaction.atomic
def copy_project(source: Project, name: str, slug: str, by: User, *, with_prompts: bool) -> Project:
    """Settings, people and, if wanted, prompts; nothing that was answered, said or learned.

    Settings that name a version or a text of the source are left out, and so is a base model that
    its maker may not choose: the installation's answers. The copy is its maker's; the source's
    owner is an admin of it. Sent twice at once, it is made once.
    """
    lock_user(by)
    if (made := made_just_now(by, name, slug)) is not None:
        return made
    copied = {
        field.attname: getattr(source, field.attname)
        for field in Project._meta.concrete_fields
        if field.name not in OF_ONE_PROJECT
    }
    if not may_begin_with(by, source.policy_model):
        copied["policy_model"] = ""
    for kind in TrainingRun.STAGES:
        copied[f"{kind}_settings"] = _of_any_project(copied[f"{kind}_settings"])
    copy = create_project(Project(**copied, name=name, slug=slug), owner=by)
    for membership in source.memberships.exclude(user=by).select_related("user"):
        is_labeler = membership.role == Membership.Role.LABELER
        role = Membership.Role.LABELER if is_labeler else Membership.Role.ADMIN
        set_member(copy, membership.user, role)
    if with_prompts:
        _copy_prompts(source, copy)
    return copy


def _of_any_project(stored: object) -> object:
    """The settings, any JSON, without what means something in one project only."""
    if not isinstance(stored, dict):
        return stored
    return {name: value for name, value in stored.items() if name not in {STARTS_FROM, *OWN}}


def _copy_prompts(source: Project, copy: Project) -> None:
    """As they stand, withdrawn and held-out ones too; nobody was asked them in the copy."""
    batch: list[Prompt] = []
    for prompt in source.prompts.order_by("pk").iterator(AT_ONCE):
        batch.append(
            Prompt(
                project=copy,
                messages=prompt.messages,
                key=prompt.key,
                language=prompt.language,
                split=prompt.split,
                answers_wanted=prompt.answers_wanted,
                tag_words=prompt.tag_words,
                is_withdrawn=prompt.is_withdrawn,
            )
        )
        if len(batch) == AT_ONCE:
            Prompt.objects.bulk_create(batch)
            batch.clear()
    Prompt.objects.bulk_create(batch)
