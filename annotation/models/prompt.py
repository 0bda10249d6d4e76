"""What the policy is asked."""

import uuid
from pathlib import Path
from typing import Any, TypedDict

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import FEWEST_ANSWERS, LONGEST_LANGUAGE, MOST_ANSWERS
from annotation.exchange.wording import word
from annotation.models.people import User
from annotation.models.project import Project


class Message(TypedDict):
    role: str
    content: str


class PromptUpload(models.Model):
    """A file, too long for one transaction: checked whole, then added batch by batch.

    One `with_preview` waits, once it was checked, for somebody to look at what was found in it
    (`report`), and says where it is from and what may be done with it.

    The worker that has it holds `claim`; one that stopped leaves it to the next, which goes on
    after the `lines_done` of the present part.
    """

    class Status(models.TextChoices):
        CHECKING = "checking", _("being checked")
        ADDING = "adding", _("being added")
        DONE = "done", _("added")
        REFUSED = "refused", _("refused")
        CANCELLED = "cancelled", _("cancelled")
        MAPPING = "mapping", _("columns to be named")
        WAITING = "waiting", _("checked, waits for you")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")

    ACTIVE = (Status.CHECKING, Status.ADDING, Status.UNDOING)

    project = models.ForeignKey(Project, models.CASCADE, related_name="uploads")
    uploaded_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="prompt_uploads", editable=False
    )
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("file"), max_length=200, blank=True)
    language = models.CharField(_("language"), max_length=LONGEST_LANGUAGE, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.CHECKING
    )
    lines = models.PositiveIntegerField(_("lines"))
    lines_done = models.PositiveIntegerField(_("lines done"), default=0)
    prompts = models.PositiveIntegerField(_("prompts"), default=0)
    added = models.PositiveIntegerField(_("added"), default=0)
    problem = models.TextField(_("problem"), blank=True)
    problem_values = models.JSONField(default=dict, editable=False)
    with_preview = models.BooleanField(default=False, editable=False)
    mapping = models.JSONField(_("meaning of the columns"), null=True, blank=True)
    report = models.JSONField(_("found"), default=dict, blank=True)
    leaves_out = models.BooleanField(_("without the bad rows"), default=False)
    source = models.CharField(_("source"), max_length=300, blank=True)
    licence = models.CharField(_("licence"), max_length=200, blank=True)
    has_consent = models.BooleanField(_("consent"), default=False)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("upload of prompts")
        verbose_name_plural = _("uploads of prompts")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(status__in=["checking", "adding", "undoing"]),
                name="upload_at_work",
            )
        ]

    def __str__(self) -> str:
        return f"upload {self.pk}"

    @property
    def file(self) -> Path:
        return settings.VAR_FOLDER / "uploads" / f"{self.key.hex}.txt"

    @property
    def staged(self) -> Path:
        """What was read of a file with a preview, until it ends."""
        return self.file.with_suffix(".sqlite3")

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def named(self) -> dict[str, Any] | None:
        """The meaning of its columns, where somebody said it; else it is as they are recognised."""
        is_said = self.mapping and not self.mapping.get("is_recognised")
        return self.mapping if is_said else None

    @property
    def known(self) -> int:
        """How many of its prompts the project had already."""
        return self.prompts - self.added

    @property
    def problem_said(self) -> str:
        """Why it was refused, in the language of the page."""
        return word(self.problem, self.problem_values, gettext)


class SavedMapping(models.Model):
    """What columns mean, under a name; `mapping` as `exchange.reading.mapping.Mapping` has it."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="saved_mappings")
    name = models.CharField(_("name"), max_length=100)
    mapping = models.JSONField(_("meaning of the columns"))

    class Meta:
        verbose_name = _("saved meaning of columns")
        verbose_name_plural = _("saved meanings of columns")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="saved_mapping_once")
        ]

    def __str__(self) -> str:
        return self.name


class Prompt(models.Model):
    """A list of chat messages whose last one is the user's."""

    class Split(models.TextChoices):
        TRAIN = "train", _("training")
        HELDOUT = "heldout", _("held out")

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompts")
    messages = models.JSONField(_("messages"))
    key = models.CharField(_("key"), max_length=64, help_text=_("SHA-256 of the messages."))
    language = models.CharField(_("language"), max_length=LONGEST_LANGUAGE, blank=True)
    split = models.CharField(_("split"), max_length=7, choices=Split.choices)
    answers_wanted = models.PositiveSmallIntegerField(
        _("answers"),
        null=True,
        blank=True,
        validators=[MinValueValidator(FEWEST_ANSWERS), MaxValueValidator(MOST_ANSWERS)],
        help_text=_("Empty: as many as the project asks for."),
    )
    tag_words = models.TextField(_("tags"), blank=True, default="", editable=False)
    is_withdrawn = models.BooleanField(
        _("withdrawn"), default=False, help_text=_("Nobody is asked it, until it is put back.")
    )
    last_policy_number = models.IntegerField(
        default=-1, editable=False, help_text=_("Newest policy that was asked; -1: none yet.")
    )
    upload = models.ForeignKey(
        PromptUpload, models.SET_NULL, null=True, blank=True, related_name="brought", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="prompt_once_per_project"),
            models.CheckConstraint(
                condition=models.Q(answers_wanted__isnull=True)
                | models.Q(answers_wanted__gte=FEWEST_ANSWERS, answers_wanted__lte=MOST_ANSWERS),
                name="prompt_answers_wanted_2_to_9",
            ),
        ]
        indexes = [models.Index(fields=["project", "last_policy_number", "id"])]

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80]

    @property
    def tags(self) -> list[str]:
        """In order; `tag_words` is as `exchange.tags` stores them."""
        return self.tag_words.split()
