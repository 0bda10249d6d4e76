"""Reading demonstrations."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from annotation.models import Demonstration, Project, Prompt, User


def prompts_to_answer(project: Project, author: User) -> QuerySet[Prompt]:
    """Prompts with fewer written answers than the project wants, none of them the author's."""
    own = Demonstration.objects.filter(prompt=OuterRef("pk"), author=author)
    prompts = project.prompts.exclude(Exists(own)).order_by("id")
    if project.demonstrations_wanted == 1:
        any_current = Demonstration.objects.filter(prompt=OuterRef("pk"), is_current=True)
        return prompts.exclude(Exists(any_current))
    written = Count("demonstrations", filter=Q(demonstrations__is_current=True))
    return prompts.annotate(written=written).filter(written__lt=project.demonstrations_wanted)


def own_demonstrations(project: Project, author: User) -> QuerySet[Demonstration]:
    """The author's current ones, newest first."""
    own = project.demonstrations.filter(author=author, is_current=True)
    return own.select_related("prompt").order_by("-id")


def demonstration_rows(project: Project) -> Iterator[dict[str, Any]]:
    """One conversation for each current demonstration, by prompt and author."""
    rows = project.demonstrations.filter(is_current=True).select_related("prompt")
    for demonstration in rows.order_by("prompt_id", "author_id").iterator(chunk_size=500):
        prompt = demonstration.prompt
        yield {
            "id": f"demonstration-{demonstration.pk}",
            "lang": prompt.language,
            "split": prompt.split,
            "messages": [
                *prompt.messages,
                {"role": "assistant", "content": demonstration.text},
            ],
        }
