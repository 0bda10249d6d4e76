"""Prompts: added, changed and deleted while nobody made anything of them, withdrawn after that."""

from collections.abc import Callable, Collection, Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.split import prompt_key, split_of
from annotation.exchange.tags import MANY_TAGS, MOST_TAGS, stored
from annotation.models import Project, Prompt, PromptGroup, PromptUpload
from annotation.selectors.prompts import UNANSWERED, unused
from annotation.services.groups import put_back_group, withdraw_group

LOOKED_UP = 500  # keys a query


@transaction.atomic
def add_prompts(
    project: Project, rows: Iterable[NewPrompt], upload: PromptUpload | None = None
) -> int:
    """Adds the prompts that the project does not have yet; returns how many those were. One that
    is there twice in the rows has the tags of both.

    Others write nothing meanwhile where the database is SQLite: for thousands, see `uploads`.
    """
    prompts: dict[str, Prompt] = {}
    for row in rows:
        key = prompt_key(row.messages)
        tags = {*row.tags, *(prompts[key].tags if key in prompts else ())}
        prompts[key] = Prompt(
            project=project,
            messages=row.messages,
            key=key,
            language=row.language,
            split=split_of(key, project.heldout_percent),
            answers_wanted=row.answers_wanted,
            tag_words=stored(sorted(tags)[:MOST_TAGS]),
            upload=upload,
        )
    keys = list(prompts)
    for start in range(0, len(keys), LOOKED_UP):
        known = project.prompts.filter(key__in=keys[start : start + LOOKED_UP])
        for key in known.values_list("key", flat=True):
            del prompts[key]
    Prompt.objects.bulk_create(prompts.values(), batch_size=500, ignore_conflicts=True)
    return len(prompts)


class PromptRefused(Exception):
    """The sentence says why."""


@transaction.atomic
def withdraw_prompts(project: Project, keys: Collection[int]) -> int:
    """No model and no person is asked them any more, until they are put back; what was said of them
    stays. How many these were."""
    prompts = project.prompts.filter(pk__in=keys, is_withdrawn=False)
    groups = PromptGroup.objects.filter(prompt__in=prompts)
    for group in groups.filter(status=PromptGroup.Status.READY):
        withdraw_group(group)
    groups.filter(status__in=UNANSWERED).update(status=PromptGroup.Status.WITHDRAWN)
    return prompts.update(is_withdrawn=True)


@transaction.atomic
def put_back_prompts(project: Project, keys: Collection[int]) -> int:
    """With their groups; how many these were."""
    prompts = project.prompts.filter(pk__in=keys, is_withdrawn=True)
    withdrawn = PromptGroup.objects.filter(
        prompt__in=prompts, status=PromptGroup.Status.WITHDRAWN, comparison=None
    )
    withdrawn.filter(answers=None).update(status=PromptGroup.Status.PENDING, attempts=0)
    for group in withdrawn:
        put_back_group(group)
    return prompts.update(is_withdrawn=False)


@transaction.atomic
def tag_prompts(project: Project, keys: Collection[int], tags: Collection[str]) -> int:
    """Adds the tags; how many prompts had not all of them. Raises PromptRefused, and tags none,
    where one would have too many."""
    return _retag(project, keys, lambda has: has | set(tags))


@transaction.atomic
def untag_prompts(project: Project, keys: Collection[int], tags: Collection[str]) -> int:
    """Takes the tags off; how many prompts had any of them."""
    return _retag(project, keys, lambda has: has - set(tags))


def _retag(project: Project, keys: Collection[int], change: Callable[[set[str]], set[str]]) -> int:
    changed = []
    for prompt in project.prompts.select_for_update(no_key=True).filter(pk__in=keys):
        tags = change(set(prompt.tags))
        if len(tags) > MOST_TAGS:
            raise PromptRefused(_(MANY_TAGS).format(most=MOST_TAGS))
        if tags != set(prompt.tags):
            prompt.tag_words = stored(tags)
            changed.append(prompt)
    Prompt.objects.bulk_update(changed, ["tag_words"], batch_size=500)
    return len(changed)


@transaction.atomic
def delete_prompts(project: Project, keys: Collection[int]) -> int:
    """Those of which nobody has made anything; how many these were."""
    free = list(unused(project).filter(pk__in=keys).values_list("pk", flat=True))
    PromptGroup.objects.filter(prompt__in=free).delete()
    return project.prompts.filter(pk__in=free).delete()[1].get("annotation.Prompt", 0)


@transaction.atomic
def change_prompt(
    prompt: Prompt, messages: list[dict[str, str]], language: str, tags: Collection[str] = ()
) -> None:
    """Raises PromptRefused where somebody has made something of it, or it is there already."""
    project = Project.objects.select_for_update(no_key=True).get(pk=prompt.project_id)
    if not unused(project).filter(pk=prompt.pk).exists():
        raise PromptRefused(_("It was answered meanwhile: withdraw it, and add another one."))
    key = prompt_key(messages)
    if project.prompts.filter(key=key).exclude(pk=prompt.pk).exists():
        raise PromptRefused(_("The project has this prompt already."))
    prompt.messages, prompt.language, prompt.key = messages, language, key
    prompt.split, prompt.tag_words = split_of(key, project.heldout_percent), stored(tags)
    prompt.save(update_fields=["messages", "language", "key", "split", "tag_words"])
