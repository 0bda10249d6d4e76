"""Reward models and the runs that train reward models and policies."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models import PolicyVersion, Project, Snapshot, User
from annotation.models.policy import ModelVersion


class RewardModelVersion(ModelVersion):
    """A sequence-classification model with one label that judges as the labelers do."""

    snapshot = models.ForeignKey(Snapshot, models.RESTRICT, related_name="reward_models")

    class Meta:
        verbose_name = _("reward model")
        verbose_name_plural = _("reward models")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="reward_number_once"),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(status="champion"),
                name="one_champion_reward_model",
            ),
        ]

    def __str__(self) -> str:
        return f"reward model {self.number}"


class TrainingRun(models.Model):
    """One long job: what it reads, how far it is, and what came of it.

    The process that supervises it holds `supervisor` and renews `heartbeat_at`; a run whose
    heartbeat stopped is picked up by another one and resumes from its last checkpoint.
    """

    class Kind(models.TextChoices):
        TEXT = "text", _("continuing text")
        DEMONSTRATIONS = "demonstrations", _("following demonstrations")
        REWARD = "reward", _("reward model")
        POLICY = "policy", _("policy update")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    ACTIVE = (Status.QUEUED, Status.RUNNING)
    MAX_ATTEMPTS = 3

    project = models.ForeignKey(Project, models.CASCADE, related_name="runs")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.QUEUED
    )
    # A verdict as {"code", "values"}, or the free text of a failure; null until the run has ended.
    reason = models.JSONField(_("reason"), null=True, blank=True)
    snapshot = models.ForeignKey(Snapshot, models.RESTRICT, related_name="runs")
    policy = models.ForeignKey(
        PolicyVersion, models.RESTRICT, related_name="runs", help_text=_("Where the run starts.")
    )
    reward_model = models.ForeignKey(
        RewardModelVersion, models.RESTRICT, null=True, blank=True, related_name="runs"
    )
    produced_policy = models.OneToOneField(
        PolicyVersion, models.RESTRICT, null=True, blank=True, related_name="produced_by"
    )
    produced_reward_model = models.OneToOneField(
        RewardModelVersion, models.RESTRICT, null=True, blank=True, related_name="produced_by"
    )
    config = models.JSONField(_("config"), default=dict)
    phase = models.CharField(_("phase"), max_length=40, blank=True)
    step = models.PositiveIntegerField(_("step"), default=0)
    total_steps = models.PositiveIntegerField(_("steps in all"), default=0)
    furthest_step = models.PositiveIntegerField(
        default=0, editable=False, help_text=_("Reached in training by any attempt.")
    )
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    room_wanted = models.PositiveBigIntegerField(
        default=0, editable=False, help_text=_("Free bytes on the disk that the run waits for.")
    )
    supervisor = models.UUIDField(null=True, blank=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="started_runs"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("training run")
        verbose_name_plural = _("training runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_active_run_per_project",
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def folder(self) -> Path:
        return settings.VAR_FOLDER / "runs" / self.folder_name

    @property
    def folder_name(self) -> str:
        """Never that of another run, also when two databases share a var folder."""
        return f"{self.pk}-{self.key.hex[:12]}"

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE


class Promotion(models.Model):
    """A version was let serve instead of another one: by its gate, or by an admin."""

    class Kind(models.TextChoices):
        POLICY = "policy", _("policy")
        REWARD = "reward", _("reward model")

    project = models.ForeignKey(Project, models.CASCADE, related_name="promotions")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField(_("number"))
    instead_of = models.PositiveIntegerField(_("instead of"), null=True, blank=True)
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="promotions")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"

    @property
    def is_rollback(self) -> bool:
        """To an older version than the one that served."""
        return self.instead_of is not None and self.number < self.instead_of


class LiveHead(models.Model):
    """What a project's reward model would be if it were trained now: a head that follows the
    rankings as they come in. Nothing serves from here; it is made again from rankings at any time.
    """

    project = models.OneToOneField(Project, models.CASCADE, related_name="live_head")
    base_model = models.CharField(_("base model"), max_length=500)
    last_ranking_id = models.BigIntegerField(default=0)
    rankings = models.PositiveIntegerField(_("rankings"), default=0)
    # What it reads of an answer, as `Recipe` has it, with the prior's spread; and from how many
    # groups that was chosen.
    recipe = models.JSONField(default=dict, blank=True)
    chosen_from = models.PositiveIntegerField(default=0)
    # The verdict of the reward model's gate, as {"code", "values"}.
    verdict = models.JSONField(_("verdict"), null=True, blank=True)
    # Oldest first: {"rankings", "accuracy", "log_loss", "calibration_error", "pairs"} each.
    history = models.JSONField(_("history"), default=list, blank=True)
    failure_reason = models.TextField(_("reason of failure"), blank=True)
    followed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("live head")
        verbose_name_plural = _("live heads")

    def __str__(self) -> str:
        return f"live head of {self.project}"
