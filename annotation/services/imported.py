"""What an import adds to a project, some groups at a time, and how it is taken back."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.exchange.files import put_in_place, write_aside
from annotation.exchange.prompts import NewPrompt
from annotation.exchange.reading.folding import Group, Said
from annotation.exchange.reading.staged import Staged, content_key
from annotation.judgment.highlights import is_in_place
from annotation.judgment.judgment import HIGHLIGHT_LABELS, Highlight
from annotation.judgment.scores import BEST, below_first, scores_from_pairs, scores_of
from annotation.models import (
    Answer,
    AnswerFlag,
    Assignment,
    Demonstration,
    Project,
    Prompt,
    PromptGroup,
    PromptMark,
    PromptUpload,
    Ranking,
    Rating,
    Triple,
    User,
)
from annotation.selectors.uploads import imported_text, text_folder
from annotation.services.demonstrations import write_demonstration
from annotation.services.prompts import add_prompts

Staging = tuple[int, str, Group]
Status = PromptGroup.Status
Finish = Answer.FinishReason
TAKEN_BACK = 200  # rows a transaction


def store_groups(upload: PromptUpload, batch: Sequence[Staging]) -> tuple[int, int]:
    """(prompts that are new, groups and written answers that are new). Within a transaction."""
    asked = [(key, group) for _number, key, group in batch if group.text is None]
    language = upload.language
    rows = [
        NewPrompt(group.messages, group.language or language, group.answers_wanted, group.tags)
        for _key, group in asked
    ]
    new = add_prompts(upload.project, rows, upload)
    found = upload.project.prompts.filter(key__in={key for key, _group in asked})
    prompts = {prompt.key: prompt for prompt in found}
    answered = [(prompts[key], group) for key, group in asked]
    return new, _store_answers(upload, answered) + _store_demonstrations(upload, answered)


def _store_answers(upload: PromptUpload, asked: Sequence[tuple[Prompt, Group]]) -> int:
    """Of groups that the project has already, from an earlier file, nothing is stored."""
    by_key = {content_key(p.key, group): (p, group) for p, group in asked if group.candidates}
    known = upload.project.groups.filter(content_key__in=by_key).values_list(
        "content_key", flat=True
    )
    for key in list(known):
        del by_key[key]
    groups = PromptGroup.objects.bulk_create(
        _group(upload, key, prompt, group) for key, (prompt, group) in by_key.items()
    )
    stored = list(zip(groups, (group for _prompt, group in by_key.values()), strict=True))
    answers = Answer.objects.bulk_create(
        answer for group, read in stored for answer in _answers(group, read)
    )
    by_group: dict[int, list[Answer]] = {}
    for answer in answers:
        by_group.setdefault(answer.group_id, []).append(answer)
    _open(upload.project, groups)
    labelers = _pseudonyms(
        upload, dict.fromkeys(s.labeler for _g, r in stored for s in r.judgments)
    )
    said = [
        (labelers[said.labeler], said, by_group[group.pk])
        for group, read in stored
        for said in read.judgments
    ]
    _store_rankings(upload, said)
    return len(groups)


def _group(upload: PromptUpload, key: str, prompt: Prompt, group: Group) -> PromptGroup:
    return PromptGroup(
        project=upload.project,
        prompt=prompt,
        upload=upload,
        system_prompt=group.system_prompt,
        content_key=key,
        status=Status.JUDGED if group.judgments else Status.READY,
        answer_count=len(group.candidates),
        seed=0,
        ready_at=timezone.now(),
    )


def _answers(group: PromptGroup, read: Group) -> Iterable[Answer]:
    for position, candidate in enumerate(read.candidates):
        yield Answer(
            group=group,
            position=position,
            text=candidate.text,
            author=candidate.author,
            finish_reason=Finish.LENGTH
            if candidate.finish_reason == Finish.LENGTH
            else Finish.STOP,
        )


def _open(project: Project, groups: Iterable[PromptGroup]) -> None:
    """Those without judgments are for people to rank."""
    Assignment.objects.bulk_create(
        Assignment(project=project, group=group, number=number)
        for group in groups
        if group.status == Status.READY
        for number in range(project.overlap)
    )


def _pseudonyms(upload: PromptUpload, names: Iterable[str]) -> dict[str, User]:
    """The users that stand for the file's labelers: nobody logs in as them."""
    usernames = {name: _username(upload, name) for name in names}
    known = {user.username: user for user in User.objects.filter(username__in=usernames.values())}
    for username in usernames.values():
        if username not in known:
            user = User(username=username, is_active=False, is_foreign=True)
            user.set_unusable_password()
            user.save()
            known[username] = user
    return {name: known[username] for name, username in usernames.items()}


def _username(upload: PromptUpload, name: str) -> str:
    file = f"file{upload.pk}"
    return file if name == "file" else f"{file}:{name}"[:150]


def _store_rankings(upload: PromptUpload, said: Sequence[tuple[User, Said, list[Answer]]]) -> None:
    rankings = Ranking.objects.bulk_create(
        _ranking(labeler, judged, answers) for labeler, judged, answers in said
    )
    ratings: list[Rating] = []
    triples: list[Triple] = []
    for ranking, (_labeler, judged, answers) in zip(rankings, said, strict=True):
        rated = [_rating(ranking, *both) for both in zip(answers, judged.ratings, strict=False)]
        ratings += [rating for rating in rated if rating]
        qualities = [rating.quality if rating else None for rating in rated]
        first = _store_better(upload, ranking, judged, answers)
        of_ranking = {"project": upload.project, "ranking": ranking}
        ranks = below_first(judged.ranks) if first else judged.ranks
        scores = _scores(judged, qualities, first is not None)
        triples += [
            Triple(answer=answer, rank=rank, score=score, **of_ranking)
            for answer, rank, score in zip(answers, ranks, scores, strict=True)
            if score is not None
        ]
        if first:
            triples.append(Triple(demonstration=first, rank=1, score=BEST, **of_ranking))
    Rating.objects.bulk_create(ratings)
    Triple.objects.bulk_create(triples)


def _store_better(
    upload: PromptUpload, ranking: Ranking, said: Said, answers: list[Answer]
) -> Demonstration | None:
    """What the labeler wrote beside the ranking; the answer if it stands before all others."""
    if not said.better:
        return None
    source, text = said.better["source"], said.better["text"]
    is_first = said.better["is_first"] and text not in {answer.text for answer in answers}
    written = write_demonstration(
        answers[0].group.prompt,
        ranking.labeler,
        text,
        source=None if source is None else answers[source],
        ranking=ranking,
        is_first=is_first,
    )
    written.upload = upload
    written.save(update_fields=["upload"])
    return written if is_first else None


def _ranking(labeler: User, said: Said, answers: list[Answer]) -> Ranking:
    given = dict(said.given)
    seconds, is_informed = given.pop("seconds", None), given.pop("informed", None) is True
    return Ranking(
        group_id=answers[0].group_id,
        labeler=labeler,
        mode=said.mode,
        ranks=said.ranks,
        compared=said.compared,
        given=given,
        shown_order=said.shown_order or list(range(len(answers))),
        comment=said.comment,
        marks=[mark for mark in said.marks if mark in PromptMark.values],
        none_acceptable=said.none_acceptable,
        is_informed=is_informed,
        seconds=seconds if isinstance(seconds, int | float) else None,
    )


def _rating(ranking: Ranking, answer: Answer, given: dict[str, Any] | None) -> Rating | None:
    """As our own files have it; what no rating can be is left out."""
    said = given or {}
    quality, flags, highlights = (said.get(name) for name in ("quality", "flags", "highlights"))
    is_quality = type(quality) is int and 1 <= quality <= Rating.BEST_QUALITY
    rating = Rating(
        ranking=ranking,
        answer=answer,
        quality=quality if is_quality else None,
        flags=[flag for flag in _list(flags) if flag in AnswerFlag.values],
        highlights=_highlights(highlights, answer.text),
    )
    return rating if rating.quality or rating.flags or rating.highlights else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _highlights(given: object, text: str) -> list[Highlight]:
    """Those that are where they say they are, or are known not to have been found."""
    found = []
    for one in _list(given):
        match one:
            case {"start": int(start), "end": int(end), "label": str(label), "quote": str(quote)}:
                highlight = Highlight(start=start, end=end, label=label, quote=quote)
                if one.get("unplaced") is True:
                    highlight["unplaced"] = True
                if label in HIGHLIGHT_LABELS and is_in_place(highlight, text):
                    found.append(highlight)
    return found


def _scores(said: Said, qualities: Sequence[int | None], is_led: bool) -> Sequence[float | None]:
    if said.compared is not None:
        return scores_from_pairs(said.ranks, said.compared)
    return scores_of(said.ranks, qualities, is_led) if len(said.ranks) > 1 else [None]


def _store_demonstrations(upload: PromptUpload, asked: Sequence[tuple[Prompt, Group]]) -> int:
    """Each answer to a prompt under a name of its own; those that are there stay as they are."""
    written = [
        (prompt, number, text)
        for prompt, group in asked
        for number, text in enumerate(group.demonstrations, start=1)
    ]
    prompts = {prompt.pk for prompt, _number, _text in written}
    current = Demonstration.objects.filter(prompt__in=prompts, is_current=True)
    known = set(current.values_list("prompt_id", "text"))
    names = {"file" if number == 1 else str(number) for _prompt, number, _text in written}
    authors = _pseudonyms(upload, names)
    new = [
        Demonstration(
            project=upload.project,
            prompt=prompt,
            author=authors["file" if number == 1 else str(number)],
            text=text,
            upload=upload,
        )
        for prompt, number, text in written
        if (prompt.pk, text) not in known
    ]
    Demonstration.objects.bulk_create(new, ignore_conflicts=True)
    return len(new)


def store_texts(upload: PromptUpload, staged: Staged) -> None:
    """Raw text becomes a file of the project's texts, from which stage 1 learns."""
    if not staged.tally.counts["texts"]:
        return
    folder = text_folder(upload.project)
    folder.mkdir(parents=True, exist_ok=True)
    with write_aside(folder) as (aside, file):
        for _number, _key, group in staged.groups():
            if group.text is not None:
                file.write(f"{json.dumps({'text': group.text}, ensure_ascii=False)}\n".encode())
        put_in_place(file, aside, imported_text(upload))


@transaction.atomic
def take_back(upload: PromptUpload) -> bool:
    """Removes some more of what the upload added; False when nothing is left."""
    parts = (
        PromptGroup.objects.filter(upload=upload),
        Demonstration.objects.filter(upload=upload),
        Prompt.objects.filter(upload=upload),
    )
    for rows in parts:
        if found := list(rows.values_list("pk", flat=True)[:TAKEN_BACK]):
            rows.model._default_manager.filter(pk__in=found).delete()
            return True
    User.objects.filter(is_foreign=True, username__regex=rf"^file{upload.pk}(:|$)").delete()
    imported_text(upload).unlink(missing_ok=True)
    return False
