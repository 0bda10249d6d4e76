"""Adding prompts to a project."""

from collections.abc import Iterable

from django.db import transaction

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.split import prompt_key, split_of
from annotation.models import Project, Prompt, PromptUpload

LOOKED_UP = 500  # keys a query


@transaction.atomic
def add_prompts(
    project: Project, rows: Iterable[NewPrompt], upload: PromptUpload | None = None
) -> int:
    """Adds the prompts that the project does not have yet; returns how many those were.

    Others write nothing meanwhile where the database is SQLite: for thousands, see `uploads`.
    """
    prompts = {}
    for row in rows:
        key = prompt_key(row.messages)
        prompts[key] = Prompt(
            project=project,
            messages=row.messages,
            key=key,
            language=row.language,
            split=split_of(key, project.heldout_percent),
            answers_wanted=row.answers_wanted,
            upload=upload,
        )
    keys = list(prompts)
    for start in range(0, len(keys), LOOKED_UP):
        known = project.prompts.filter(key__in=keys[start : start + LOOKED_UP])
        for key in known.values_list("key", flat=True):
            del prompts[key]
    Prompt.objects.bulk_create(prompts.values(), batch_size=500, ignore_conflicts=True)
    return len(prompts)
