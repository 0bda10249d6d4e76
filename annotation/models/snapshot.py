"""Frozen training data."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.job import Job
from annotation.models.people import User
from annotation.models.project import Project


class Snapshot(models.Model):
    """An immutable JSONL file: the same judgments give the same bytes.

    One with a name is kept for good; another as long as a run or a version needs it. `card` says
    in figures what is in one that got a name, as `exchange.snapshots` has it, and where it is from.
    """

    class Kind(models.TextChoices):
        GROUPS = "groups", _("ranked groups")
        PROMPTS = "prompts", _("prompts")
        TEXT = "text", _("raw text")
        DEMONSTRATIONS = "demonstrations", _("demonstrations")

    project = models.ForeignKey(Project, models.CASCADE, related_name="snapshots")
    name = models.CharField(_("name"), max_length=100, blank=True)
    taken_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="snapshots", editable=False
    )
    is_imported = models.BooleanField(_("from a file"), default=False, editable=False)
    card = models.JSONField(_("data card"), default=dict, blank=True, editable=False)
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
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=~models.Q(name=""),
                name="snapshot_name_once_per_project",
            )
        ]

    def __str__(self) -> str:
        return self.name or f"snapshot {self.pk}"

    @property
    def is_there(self) -> bool:
        """Whether its file was not removed since, as one that nothing needs is."""
        return self.file.is_file()

    @property
    def file_name(self) -> str:
        """What the file is called where it is saved."""
        return f"{self.project.slug}-{self.kind}-{self.sha256[:12]}.jsonl"

    @property
    def file(self) -> Path:
        return settings.VAR_FOLDER / self.path


class SnapshotJob(Job):
    """A snapshot to be taken under a name, or to be made of a file from elsewhere: that has no
    `kind`, and lies at `file` until the job ends."""

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=20, choices=Snapshot.Kind.choices, blank=True)
    source = models.CharField(_("source"), max_length=300, blank=True)
    licence = models.CharField(_("licence"), max_length=200, blank=True)
    has_consent = models.BooleanField(_("consent"), default=False)
    snapshot = models.ForeignKey(Snapshot, models.SET_NULL, null=True, related_name="jobs")

    class Meta(Job.Meta):
        verbose_name = _("snapshot to be made")
        verbose_name_plural = _("snapshots to be made")

    @property
    def file(self) -> Path:
        return settings.VAR_FOLDER / "uploads" / f"{self.key.hex}.jsonl"
