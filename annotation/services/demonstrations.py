"""Storing answers that people wrote."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Max

from annotation.exchange.demonstrations import NewDemonstration
from annotation.exchange.prompts import NewPrompt
from annotation.exchange.split import prompt_key
from annotation.models import Answer, Demonstration, Project, Prompt, Ranking, User
from annotation.selectors.demonstrations import demonstrations_of
from annotation.services.prompts import add_prompts

BATCH = 200


@transaction.atomic
def write_demonstration(
    prompt: Prompt,
    author: User,
    text: str,
    *,
    source: Answer | None = None,
    ranking: Ranking | None = None,
    is_first: bool = False,
) -> Demonstration:
    """Stores the author's answer to the prompt; one written before stays as an older revision."""
    Prompt.objects.select_for_update(of=("self",)).get(pk=prompt.pk)
    own = Demonstration.objects.filter(prompt=prompt, author=author)
    revision = (own.aggregate(Max("revision"))["revision__max"] or 0) + 1
    own.update(is_current=False)
    return Demonstration.objects.create(
        project_id=prompt.project_id,
        prompt=prompt,
        author=author,
        text=text,
        source=source,
        ranking=ranking,
        is_first=is_first,
        revision=revision,
    )


def import_demonstrations(project: Project, author: User, rows: Iterable[NewDemonstration]) -> int:
    """Adds prompts and answers from a file; returns how many answers are new or changed.

    All rows are read before the first is written; then batch by batch, so that others go on
    writing. Called again after it was stopped, it adds what is missing.
    """
    by_key = {prompt_key(row.prompt): row for row in rows}
    keys = list(by_key)
    return sum(
        _import_batch(project, author, {key: by_key[key] for key in keys[start : start + BATCH]})
        for start in range(0, len(keys), BATCH)
    )


@transaction.atomic
def _import_batch(project: Project, author: User, by_key: dict[str, NewDemonstration]) -> int:
    add_prompts(project, [NewPrompt(row.prompt, row.language) for row in by_key.values()])
    written = 0
    for prompt in project.prompts.filter(key__in=by_key):
        text = by_key[prompt.key].answer
        if not demonstrations_of(prompt, author).filter(text=text).exists():
            write_demonstration(prompt, author, text)
            written += 1
    return written
