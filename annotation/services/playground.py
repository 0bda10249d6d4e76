"""The playground: versions are asked at once, and what they say can be kept."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.split import prompt_key
from annotation.lm.chat import Message, with_system
from annotation.models import (
    Answer,
    Demonstration,
    PolicyVersion,
    Project,
    Prompt,
    PromptGroup,
    User,
)
from annotation.selectors.demonstrations import demonstrations_of
from annotation.services.asking import Answer as Said
from annotation.services.asking import Question, ask
from annotation.services.demonstrations import write_demonstration
from annotation.services.groups import open_group
from annotation.services.looking import BOX, TASK, sources
from annotation.services.prompts import add_prompts

SALT = "annotation.playground"


class PlaygroundRefused(Exception):
    """The sentence says why."""


@dataclass(frozen=True)
class Exchange:
    """One question, to one version once or more often, or to two, once each and blind.

    `name`, a UUID of the page's own, and the server's secret say which of two stands where.
    """

    name: str
    versions: Sequence[PolicyVersion]
    messages: list[Message]
    system_prompt: str
    sampling: dict[str, float]
    seed: int

    @property
    def order(self) -> list[PolicyVersion]:
        """The two versions as they stand on the page."""
        is_swapped = salted_hmac(SALT, self.name, algorithm="sha256").digest()[0] % 2
        return list(self.versions)[:: -1 if is_swapped else 1]

    def version(self, place: int) -> PolicyVersion:
        """Which answers at this place, from 0."""
        return self.order[place] if len(self.versions) > 1 else self.versions[0]

    def seed_of(self, place: int) -> int:
        """Two versions draw by the same chance, one by another chance each time."""
        return self.seed if len(self.versions) > 1 else self.seed + place


def write(
    exchange: Exchange, place: int, tokens: Sequence[int], proof: str, patience: float
) -> Said | None:
    """The answer at this place, a moment further than `tokens`; None: ask again.

    It comes with the `proof` that goes with its tokens, or, where it is finished, with the `record`
    by which it can be kept. Raises PlaygroundRefused, or one of AWAY.
    """
    question: Question = {
        "way": "write",
        "sources": sources([exchange.version(place)]),
        "messages": with_system(exchange.messages, exchange.system_prompt),
        "how": exchange.sampling,
        "seed": exchange.seed_of(place),
        "of": f"{exchange.name} {place}",
        "tokens": list(tokens),
    }
    if tokens and not constant_time_compare(proof, _proof(question)):
        raise PlaygroundRefused(_("This is not how the answer began: ask again."))
    said = ask(BOX, TASK, question, patience, chain=question["of"])
    if said is None or "problem" in said:
        return said
    if said["finish_reason"]:
        return {**said, "record": _record(exchange, place, said)}
    return {**said, "proof": _proof({**question, "tokens": said["tokens"]})}


def _proof(question: Question) -> str:
    """That the worker, asked this, wrote these tokens."""
    text = json.dumps(question, sort_keys=True)
    return salted_hmac(SALT, text, algorithm="sha256").hexdigest()


def _record(exchange: Exchange, place: int, said: Said) -> str:
    """All that is stored of an answer, signed; it does not say which of two versions wrote it."""
    versions = [version.pk for version in exchange.versions]
    own = {name: getattr(exchange, name) for name in ("name", "messages", "system_prompt")}
    own |= {"versions": versions, "sampling": exchange.sampling, "seed": exchange.seed}
    of_answer = {"text": said["text"], "finish_reason": said["finish_reason"]}
    of_answer |= {"place": place, "token_count": len(said["tokens"])}
    return signing.dumps({**own, "answer": of_answer}, salt=SALT, compress=True)


def keep_prompt(
    project: Project, messages: list[Message], system_prompt: str
) -> tuple[Prompt, bool]:
    """The project's prompt with these turns, and whether it is new. Raises PlaygroundRefused."""
    if system_prompt.strip() != project.system_prompt.strip():  # which every prompt gets anyway
        messages = with_system(messages, system_prompt)
    turns = [{"role": one["role"], "content": one["content"]} for one in messages]
    is_new = bool(add_prompts(project, [NewPrompt(turns)]))
    prompt = project.prompts.get(key=prompt_key(messages))
    if prompt.is_withdrawn:
        raise PlaygroundRefused(_("The project has this prompt, withdrawn: put it back first."))
    return prompt, is_new


@transaction.atomic
def keep_demonstration(
    project: Project, author: User, messages: list[Message], system_prompt: str, text: str
) -> tuple[Demonstration, bool]:
    """The author's answer to the prompt, and whether it is new. Raises PlaygroundRefused."""
    prompt, _is_new = keep_prompt(project, messages, system_prompt)
    known = demonstrations_of(prompt, author).filter(text=text).first()
    return (known, False) if known else (write_demonstration(prompt, author, text), True)


@transaction.atomic
def keep_group(
    project: Project, asked_by: User, records: Sequence[str]
) -> tuple[PromptGroup, bool]:
    """The answers of one exchange as a group for people to rank, and whether it is new.

    Raises PlaygroundRefused.
    """
    kept = [_read(project, record) for record in records]
    answers = {answer["place"]: answer for _exchange, answer in kept}
    texts = {" ".join(answer["text"].split()) for answer in answers.values()}
    if len(texts) < max(2, len(answers)) or "" in texts:
        raise PlaygroundRefused(_("Answers that are alike, or empty, cannot be ranked."))
    exchange, *others = (exchange for exchange, _answer in kept)
    if any(other != exchange for other in others):
        raise PlaygroundRefused(_("These answers are not to the same question."))
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    key = hashlib.sha256(f"playground {exchange.name}".encode()).hexdigest()
    if known := project.groups.filter(content_key=key).first():
        return known, False
    prompt, _is_new = keep_prompt(project, exchange.messages, exchange.system_prompt)
    group = PromptGroup.objects.create(
        project=project,
        prompt=prompt,
        asked_by=asked_by,
        content_key=key,
        answer_count=len(answers),
        system_prompt=exchange.system_prompt,
        seed=exchange.seed,
    )
    Answer.objects.bulk_create(
        Answer(
            group=group,
            position=position,
            text=answer["text"],
            policy=exchange.version(place),
            sampling=exchange.sampling,
            seed=exchange.seed_of(place),
            token_count=answer["token_count"],
            finish_reason=answer["finish_reason"],
        )
        for position, (place, answer) in enumerate(sorted(answers.items()))
    )
    open_group(group)
    return group, True


def _read(project: Project, record: str) -> tuple[Exchange, dict[str, Any]]:
    """The exchange and the answer of a record. Raises PlaygroundRefused."""
    try:
        said = signing.loads(record, salt=SALT)
    except signing.BadSignature as problem:
        raise PlaygroundRefused(_("These answers cannot be read: ask again.")) from problem
    answer, numbers = said.pop("answer"), said.pop("versions")
    found = project.policyversions.in_bulk(numbers)
    if set(numbers) != found.keys():
        raise PlaygroundRefused(_("These answers are another project's."))
    return Exchange(versions=[found[number] for number in numbers], **said), answer
