"""What a worker makes while somebody waits for it."""

import uuid
from datetime import datetime, timedelta
from pathlib import Path

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from annotation.exchange.wording import word
from annotation.models.people import User
from annotation.models.project import Project

GONE = gettext_noop("Its file is gone: its week is over, or it was removed. Ask for it again.")


class Job(models.Model):
    """Made by a worker, which holds `claim` meanwhile; kept for a week. `key` names its files."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        WRITING = "writing", _("being written")
        DONE = "done", _("ready")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    ACTIVE = (Status.WAITING, Status.WRITING)
    KEPT = timedelta(days=7)

    project = models.ForeignKey(Project, models.CASCADE, related_name="%(class)ss")
    requested_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="%(class)ss", editable=False
    )
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    read = models.PositiveIntegerField(_("read"), default=0)
    total = models.PositiveIntegerField(_("to read"), default=0)
    problem = models.TextField(_("problem"), blank=True)
    problem_values = models.JSONField(default=dict, editable=False)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(status__in=["waiting", "writing"]),
                name="%(class)s_at_work",
            )
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name_raw} {self.pk}"

    @property
    def file(self) -> Path:
        """What it makes, or what was handed in for it."""
        raise NotImplementedError

    @property
    def problem_said(self) -> str:
        """Why nothing came of it, in the language of the page."""
        return word(self.problem, self.problem_values, gettext)

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def expires_at(self) -> datetime:
        return (self.finished_at or self.created_at) + self.KEPT


class FileJob(Job):
    """Its `file` can be taken out, by a login or by a link."""

    size = models.BigIntegerField(_("bytes"), default=0)
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta(Job.Meta):
        abstract = True

    @property
    def is_there(self) -> bool:
        """Whether it can be taken out, from a page, by a token or by a link."""
        return self.status == self.Status.DONE and not self.is_gone

    @property
    def is_gone(self) -> bool:
        """Whether it was made, but its week is over, or its file was removed since."""
        is_kept = self.expires_at > timezone.now() and self.file.is_file()
        return self.status == self.Status.DONE and not is_kept

    @property
    def problem_said(self) -> str:
        return gettext(GONE) if self.is_gone else super().problem_said

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved."""
        raise NotImplementedError
