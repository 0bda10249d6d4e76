"""Reading demonstrations."""

from collections.abc import Iterator
from typing import Any

from django.db.models import (
    Case,
    Exists,
    F,
    OuterRef,
    QuerySet,
    Value,
    When,
)

from annotation.lm.chat import with_system
from annotation.models import Demonstration, Project, Prompt, User, Writing
from annotation.selectors.assignments import count_of, ran_out


def prompts_to_answer(project: Project, author: User) -> QuerySet[Prompt]:
    """Prompts that want one more answer, none of theirs by the author.

    What others are just writing counts as written, until their lease runs out.
    """
    return _wanting(project.prompts.all(), author, project.demonstrations_wanted).order_by("id")


def has_prompts_to_answer(author: User) -> Case:
    """Whether there are any, for a queryset of projects."""
    of_project = Prompt.objects.filter(project=OuterRef("pk"))
    waiting = Exists(_wanting(of_project, author, OuterRef("demonstrations_wanted")))
    # Where none is wanted, no prompt is looked at.
    return Case(When(demonstrations_wanted__gt=0, then=waiting), default=Value(False))


def _wanting(prompts: QuerySet[Prompt], author: User, wanted: int | OuterRef) -> QuerySet[Prompt]:
    current = Demonstration.objects.filter(prompt=OuterRef("pk"), is_current=True)
    others = Writing.objects.filter(prompt=OuterRef("pk"), expires_at__isnull=False)
    under_way = others.exclude(author=author).exclude(ran_out())
    asked = prompts.filter(is_withdrawn=False)
    unanswered = asked.exclude(Exists(current.filter(author=author)))
    taken = unanswered.alias(
        taken=count_of(current, by="prompt") + count_of(under_way, by="prompt")
    )
    return taken.filter(taken__lt=wanted)


def own_writings(project: Project, author: User) -> QuerySet[Writing]:
    """Answers that the author has under way, the newest first; the leased one first of all."""
    own = Writing.objects.filter(author=author, prompt__project=project)
    with_all = own.select_related("prompt__project", "author")
    return with_all.order_by(F("expires_at").desc(nulls_last=True), "-id")


def kept_writings(project: Project, author: User) -> QuerySet[Writing]:
    """The author's drafts, each with `is_open`: whether its question still wants their answer."""
    open_prompts = prompts_to_answer(project, author).filter(pk=OuterRef("prompt"))
    drafts = own_writings(project, author).exclude(text="")
    return drafts.annotate(is_open=Exists(open_prompts))


def demonstrations_of(prompt: Prompt, author: User) -> QuerySet[Demonstration]:
    """The author's current answer to the prompt, if there is one."""
    return prompt.demonstrations.filter(author=author, is_current=True)


def queue_demonstrations(project: Project, author: User) -> QuerySet[Demonstration]:
    """All revisions of what the author wrote in the queue, and not beside a ranking."""
    own = project.demonstrations.filter(author=author, ranking=None)
    return own.select_related("prompt", "author")


def own_demonstrations(project: Project, author: User) -> QuerySet[Demonstration]:
    """The author's current ones, newest first."""
    own = project.demonstrations.filter(author=author, is_current=True)
    return own.select_related("prompt").order_by("-id")


def current_demonstrations(project: Project) -> QuerySet[Demonstration]:
    return project.demonstrations.filter(is_current=True)


def demonstration_rows(
    project: Project, demonstrations: QuerySet[Demonstration] | None = None
) -> Iterator[dict[str, Any]]:
    """One conversation for each current demonstration, or for these of them, by prompt and
    author."""
    asked = current_demonstrations(project) if demonstrations is None else demonstrations
    rows = asked.select_related("prompt")
    for demonstration in rows.order_by("prompt_id", "author_id").iterator(chunk_size=500):
        prompt = demonstration.prompt
        yield {
            "id": f"demonstration-{demonstration.pk}",
            "lang": prompt.language,
            "split": prompt.split,
            "messages": [
                *with_system(prompt.messages, project.system_prompt),
                {"role": "assistant", "content": demonstration.text},
            ],
        }
