"""Answers that another program brings, one prompt at a time, for people to rank."""

from collections.abc import Sequence

from django.db import transaction

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.reading.folding import Group
from annotation.exchange.reading.staged import content_key
from annotation.exchange.shapes.item import Candidate, Item, check_for_desk, checked
from annotation.exchange.split import prompt_key
from annotation.models import Answer, Project, PromptGroup
from annotation.services.groups import open_group
from annotation.services.prompts import add_prompts


@transaction.atomic
def add_answered_group(
    project: Project,
    messages: list[dict[str, str]],
    answers: Sequence[Candidate],
    language: str = "",
) -> tuple[PromptGroup, bool]:
    """The group, and whether it is new: the same answers to the same prompt are one.

    Raises Unreadable for what cannot be stored, or ranked.
    """
    item = checked(Item(messages=messages, candidates=tuple(answers)))
    distinct = list({candidate.text: candidate for candidate in item.candidates}.values())
    check_for_desk(len(distinct))
    key = prompt_key(item.messages)
    content = content_key(key, Group(item.messages, [], distinct))
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    known = project.groups.filter(content_key=content).first()
    if known is not None:
        return known, False
    add_prompts(project, [NewPrompt(item.messages, language)])
    group = PromptGroup.objects.create(
        project=project,
        prompt=project.prompts.get(key=key),
        content_key=content,
        answer_count=len(distinct),
        seed=0,
    )
    Answer.objects.bulk_create(
        Answer(
            group=group,
            position=position,
            text=candidate.text,
            author=candidate.author,
            finish_reason=Answer.FinishReason.STOP,
        )
        for position, candidate in enumerate(distinct)
    )
    open_group(group)
    return group, True
