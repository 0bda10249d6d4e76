"""Frozen training data."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.project import Project


class Snapshot(models.Model):
    """An immutable JSONL file: the same judgments give the same bytes."""

    class Kind(models.TextChoices):
        GROUPS = "groups", _("ranked groups")
        PROMPTS = "prompts", _("prompts")
        TEXT = "text", _("raw text")
        DEMONSTRATIONS = "demonstrations", _("demonstrations")

    project = models.ForeignKey(Project, models.CASCADE, related_name="snapshots")
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    path = models.CharField(_("file"), max_length=500, help_text=_("Relative to the var folder."))
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField(_("rows"))
    rankings = models.PositiveIntegerField(_("rankings"), default=0)
    last_ranking_id = models.BigIntegerField(
        default=0, help_text=_("Rankings up to this one are in the snapshot.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"snapshot {self.pk}"

    @property
    def file(self) -> Path:
        return settings.VAR_FOLDER / self.path
