"""Files that an admin takes out."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.writing.formats import FORMATS, Format
from annotation.models.project import Project, User


class Export(models.Model):
    """A file made by a worker, which holds `claim` while it writes; kept for a week.

    `wanted` is what was asked for, as `exchange.writing.wanted.Wanted` spells it. `salt` makes the
    pseudonyms of labelers: those of two exports cannot be matched.
    """

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        WRITING = "writing", _("being written")
        DONE = "done", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    ACTIVE = (Status.WAITING, Status.WRITING)
    KEPT = timedelta(days=7)

    project = models.ForeignKey(Project, models.CASCADE, related_name="exports")
    requested_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="exports", editable=False
    )
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    salt = models.UUIDField(default=uuid.uuid4, editable=False)
    format = models.CharField(_("format"), max_length=40)
    wanted = models.JSONField(_("wanted"), default=dict)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    read = models.PositiveIntegerField(_("read"), default=0)
    total = models.PositiveIntegerField(_("to read"), default=0)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    left_out = models.PositiveIntegerField(
        _("left out"), default=0, help_text=_("Read, but the format cannot hold them.")
    )
    size = models.BigIntegerField(_("bytes"), default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    problem = models.TextField(_("problem"), blank=True)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(status__in=["waiting", "writing"]),
                name="export_at_work",
            )
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"

    @property
    def made_as(self) -> Format:
        return FORMATS[self.format]

    @property
    def file(self) -> Path:
        extension = self.made_as.container.extension
        return settings.VAR_FOLDER / "exports" / f"{self.key.hex}.{extension}"

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved."""
        day = timezone.localdate(self.created_at).isoformat()
        name = self.format.replace("_", "-")
        return f"{self.project.slug}-{name}-{day}.{self.made_as.container.extension}"

    @property
    def problem_said(self) -> str:
        """Why there is no file, in the language of the page."""
        return gettext(self.problem)

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def expires_at(self) -> datetime:
        return (self.finished_at or self.created_at) + self.KEPT
