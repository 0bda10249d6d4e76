"""Versions of the language model that is being taught."""

from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.job import FileJob
from annotation.models.project import Project


class ModelVersion(models.Model):
    """What a policy version and a reward model version have in common.

    A candidate becomes champion when it passes its gate; the champion before it is retired.
    One that people do not prefer, or that an admin does not want, is rejected.
    """

    class Status(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")
        CHAMPION = "champion", _("champion")
        RETIRED = "retired", _("retired")
        REJECTED = "rejected", _("rejected")

    project = models.ForeignKey(Project, models.CASCADE, related_name="%(class)ss")
    number = models.PositiveIntegerField(_("number"))
    label = models.CharField(
        _("label"),
        max_length=40,
        blank=True,
        help_text=_("A few words that stand beside the number, such as: best for support."),
    )
    parent = models.ForeignKey(
        "self", models.RESTRICT, null=True, blank=True, related_name="children"
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.CANDIDATE
    )
    # A verdict as {"code", "values"}, or free text; null where there was no gate to pass.
    gate_reason = models.JSONField(_("gate"), null=True, blank=True)
    base_model = models.CharField(_("base model"), max_length=500)
    path = models.CharField(
        _("folder"), max_length=500, blank=True, help_text=_("Relative to the var folder.")
    )
    sha256 = models.CharField(max_length=64, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    provenance = models.JSONField(
        _("provenance"),
        default=dict,
        blank=True,
        help_text=_("Snapshot, reward model, config, code commit and library versions."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True

    @property
    def called(self) -> str:
        """Its number, with what people call it."""
        return f"{self.number} · {self.label}" if self.label else str(self.number)

    @property
    def folder(self) -> Path | None:
        return settings.VAR_FOLDER / self.path if self.path else None


class PolicyVersion(ModelVersion):
    """The base model (empty path) or an adapter on top of it."""

    samples = models.JSONField(
        _("samples"), default=list, blank=True, help_text=_("The same prompts, before and after.")
    )

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="policy_number_once"),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(status="champion"),
                name="one_champion_policy",
            ),
        ]

    def __str__(self) -> str:
        return f"policy {self.number}"

    @property
    def adapter(self) -> str | None:
        """The adapter's folder, as PolicySource and the training scripts take it."""
        return str(self.folder) if self.folder else None


class MergedModel(FileJob):
    """A version as one whole model, its adapter added to its base model's weights."""

    policy = models.ForeignKey(PolicyVersion, models.CASCADE, related_name="merged")

    class Meta(FileJob.Meta):
        verbose_name = _("merged model")
        verbose_name_plural = _("merged models")

    @property
    def file(self) -> Path:
        return settings.VAR_FOLDER / "merged" / f"{self.key.hex}.tar"

    @property
    def file_name(self) -> str:
        return f"{self.project.slug}-policy-{self.policy.number}-merged.tar"
