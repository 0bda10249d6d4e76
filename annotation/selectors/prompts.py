"""Prompts as admins look for them."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.models import Demonstration, Flag, Project, Prompt, PromptGroup, Writing

SEARCHED_TURNS = 4
UNANSWERED = (PromptGroup.Status.PENDING, PromptGroup.Status.FAILED)
WAITING = (*UNANSWERED, PromptGroup.Status.WITHDRAWN)


def listed_prompts(project: Project) -> QuerySet[Any]:
    """Each with `is_used`: whether anybody, person or model, has made anything of it."""
    own = {"prompt": OuterRef("pk")}
    answered = PromptGroup.objects.filter(**own).exclude(status__in=WAITING, answers=None)
    made = (Demonstration.objects, Writing.objects, Flag.objects)
    used = Exists(answered)
    for rows in made:
        used |= Exists(rows.filter(**own))  # type: ignore[assignment]
    return project.prompts.annotate(is_used=used)


def unused(project: Project) -> QuerySet[Any]:
    return listed_prompts(project).filter(is_used=False)


def containing(prompts: QuerySet[Prompt], text: str) -> QuerySet[Prompt]:
    """Those of which one of the first turns contains the text."""
    return prompts.filter(in_turns("messages", text))


def in_turns(messages: str, text: str) -> Q:
    """Whether one of the first turns of the conversation in that field contains the text."""
    found = Q()
    for turn in range(SEARCHED_TURNS):
        found |= Q(**{f"{messages}__{turn}__content__icontains": text})
    return found
