"""Adding prompts to a project."""

from collections.abc import Iterable

from django.db import transaction

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.split import prompt_key, split_of
from annotation.models import Project, Prompt


@transaction.atomic
def add_prompts(project: Project, rows: Iterable[NewPrompt]) -> int:
    """Adds the prompts that the project does not have yet; returns how many those were."""
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
        )
    before = project.prompts.count()
    Prompt.objects.bulk_create(prompts.values(), batch_size=500, ignore_conflicts=True)
    return project.prompts.count() - before
