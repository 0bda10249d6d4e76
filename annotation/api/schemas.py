"""What goes in and out, field by field."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import AfterValidator, Field

from annotation.exchange.jsonl import holds_half_characters
from annotation.exchange.prompts import FEWEST_ANSWERS, LONGEST_LANGUAGE, MOST_ANSWERS
from annotation.exchange.shapes.item import LONGEST_NAME
from annotation.exchange.tags import LONGEST_TAG, tags_of
from annotation.exchange.wording import Unreadable
from annotation.models.job import Job


def storable(text: str) -> str:
    if "\x00" in text or holds_half_characters(text):
        raise ValueError("it holds a null character, or half a character: remove it")
    return text


def usable_tags(tags: list[str]) -> tuple[str, ...]:
    try:
        return tags_of([storable(tag) for tag in tags])
    except Unreadable as problem:
        raise ValueError(str(problem)) from problem


Tag = Annotated[str, Field(max_length=LONGEST_TAG), AfterValidator(storable)]
Tags = Annotated[list[str], AfterValidator(usable_tags)]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(storable)]
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(storable)]
Source = Annotated[str, Field(min_length=1, max_length=300), AfterValidator(storable)]
Language = Annotated[str, Field(max_length=LONGEST_LANGUAGE), AfterValidator(storable)]


class MessageSchema(Schema):
    role: Literal["system", "user", "assistant"]
    content: str


class ProjectOut(Schema):
    slug: str
    name: str
    is_active: bool
    answers_per_group: int
    overlap: int


class PromptIn(Schema):
    prompt: str | list[MessageSchema]
    lang: Language = ""
    answers: int | None = Field(None, ge=FEWEST_ANSWERS, le=MOST_ANSWERS)
    tags: Tags = []


class PromptsIn(Schema):
    prompts: list[PromptIn] = Field(max_length=1000)


class Added(Schema):
    added: int
    known: int


class PromptOut(Schema):
    id: int
    messages: list[MessageSchema]
    language: str
    split: str
    tags: list[str]
    is_withdrawn: bool


class AnswerIn(Schema):
    text: str
    author: Name = ""


class GroupIn(Schema):
    """A prompt and its answers, for people to rank."""

    prompt: str | list[MessageSchema]
    answers: list[AnswerIn] = Field(min_length=FEWEST_ANSWERS, max_length=MOST_ANSWERS)
    lang: Language = ""


class GroupCreated(Schema):
    id: int
    status: str


class GroupOut(Schema):
    """`group` is the native row of docs/formats.md."""

    id: int
    status: str
    rankings_wanted: int
    group: dict[str, Any]


class Page(Schema):
    """`next` is the cursor of what follows: `?after=`; null at the end."""

    next: int | None


class ProjectPage(Page):
    items: list[ProjectOut]


class PromptPage(Page):
    items: list[PromptOut]


class GroupPage(Page):
    items: list[dict[str, Any]]


class ExportIn(Schema):
    format: str
    labeler: int | None = None
    policy: int | None = None
    language: Language = ""
    tag: Tag = ""
    split: Literal["", "train", "heldout"] = ""
    since: datetime | None = None
    until: datetime | None = None
    agreement: float | None = Field(None, ge=0, le=1)
    ties: bool = True
    judgments: Literal["each", "consensus"] = "each"


class JobOut(Schema):
    """What a worker makes. `status`: `waiting`, `writing`, then `done`, `failed` with a `problem`,
    or `cancelled`; `read` of `total` says how far it is."""

    id: int
    status: str
    problem: str
    read: int
    total: int

    @staticmethod
    def fields_of(job: Job) -> dict[str, Any]:
        numbers = {"id": job.pk, "read": job.read, "total": job.total}
        return {**numbers, "status": job.status, "problem": job.problem_said}


class FileJobOut(JobOut):
    """`link` opens the file without a token until it expires; null before it is made and once it is
    gone, which `problem` says then."""

    size: int
    sha256: str
    link: str | None


class ExportOut(FileJobOut):
    format: str
    rows: int
    left_out: int


class ExportPage(Page):
    items: list[ExportOut]
