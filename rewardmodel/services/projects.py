"""What a project's admins change of it, where learning has a say."""

from collections.abc import Collection

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from annotation.models import PolicyVersion, Project, User
from annotation.selectors.policies import champion_policy, next_number
from annotation.services.projects import change_project
from rewardmodel.models import LiveHead
from rewardmodel.selectors import may_change_base_model
from rewardmodel.services.promotion import let_serve


@transaction.atomic
def store_settings(project: Project, changed: Collection[str], by: User) -> bool:
    """Saves the project; `changed` names the settings that are others than before. False where it
    was archived meanwhile: nothing is saved.

    An hour of the day that was set now is not made up for; a base model that other versions build
    on by now stays.
    """
    stored = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if stored.archived_at is not None:
        return False
    if {"training_daily_at", "training_zone"} & set(changed):
        project.training_daily_since = timezone.now()
        project.save(update_fields=["training_daily_since"])
    is_other = project.policy_model != stored.policy_model
    if is_other and not may_change_base_model(stored):
        project.policy_model, is_other = stored.policy_model, False
    change_project(project, changed)
    if is_other:
        _begin_with(project, project.policy_model or settings.POLICY_MODEL, by)
    return True


def _begin_with(project: Project, base_model: str, by: User) -> None:
    """Another base model answers from now on. A version that was asked already stays what it is."""
    serving = champion_policy(project)
    if serving.groups.exists() or serving.answers.exists():
        number = next_number(PolicyVersion, project)
        another = {"project": project, "number": number, "base_model": base_model}
        let_serve(PolicyVersion.objects.create(**another), by=by)
    else:
        serving.base_model = base_model
        serving.save(update_fields=["base_model"])
    LiveHead.objects.filter(project=project).delete()
