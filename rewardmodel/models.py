"""Reward models and the runs that train reward models and policies."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.exchange.wording import word
from annotation.models import Comparison, PolicyVersion, Project, PromptGroup, Snapshot, User
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
        PRETRAINING = "pretraining", _("what pretraining helps")

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    # Each makes versions, and has settings in its project.
    STAGES = (Kind.TEXT, Kind.DEMONSTRATIONS, Kind.REWARD, Kind.POLICY)
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


class Decision(models.Model):
    """On a version: by its gate, by an admin, or by the labelers of a comparison."""

    class Kind(models.TextChoices):
        POLICY = "policy", _("policy")
        REWARD = "reward", _("reward model")

    project = models.ForeignKey(Project, models.CASCADE, related_name="%(class)ss")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    number = models.PositiveIntegerField(_("number"))
    by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="%(class)ss")
    comparison = models.ForeignKey(
        Comparison, models.SET_NULL, null=True, blank=True, related_name="%(class)ss"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Promotion(Decision):
    """A version was let serve instead of another one."""

    instead_of = models.PositiveIntegerField(_("instead of"), null=True, blank=True)

    class Meta(Decision.Meta):
        verbose_name = _("promotion")
        verbose_name_plural = _("promotions")

    @property
    def is_rollback(self) -> bool:
        """To an older version than the one that served."""
        return self.instead_of is not None and self.number < self.instead_of


class Rejection(Decision):
    """A candidate is not to serve."""

    class Meta(Decision.Meta):
        verbose_name = _("rejection")
        verbose_name_plural = _("rejections")


class LiveHead(models.Model):
    """What a project's reward model would be if it were trained now: a head that follows the
    rankings as they come in. Nothing serves from here; it is made again from rankings at any time.
    """

    project = models.OneToOneField(Project, models.CASCADE, related_name="live_head")
    base_model = models.CharField(_("base model"), max_length=500)
    last_ranking_id = models.BigIntegerField(default=0)
    rankings = models.PositiveIntegerField(_("rankings"), default=0)
    # What it reads of an answer, as `Recipe` has it, with the prior's spread, the layer whose
    # tokens are kept, and of a head that weighs tokens its query and temperature; and from how many
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


class Judging(models.Model):
    """A judge model's word on a comparison: on the pairs that are before people, and on `more`
    pairs that nobody else judges."""

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    MAX_FAILURES = 3

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="judgings")
    # The judge; without one it is the installation's judge server, and `model` what it serves.
    reward_model = models.ForeignKey(
        RewardModelVersion, models.RESTRICT, null=True, blank=True, related_name="judgings"
    )
    model = models.CharField(_("model"), max_length=200, blank=True)
    more = models.PositiveIntegerField(_("pairs more"))
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.RUNNING
    )
    reason = models.TextField(_("reason"), blank=True)
    reason_values = models.JSONField(default=dict, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)  # in a row
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    started_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="judgings"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("judging")
        verbose_name_plural = _("judgings")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["comparison"],
                condition=models.Q(status="running"),
                name="one_running_judging_of_comparison",
            )
        ]

    def __str__(self) -> str:
        return f"judging {self.pk}"

    @property
    def reason_said(self) -> str:
        """Why it rests, or failed, in the language of the page."""
        return word(self.reason, self.reason_values, gettext)


class JudgedPair(models.Model):
    """What a judge model made of the two answers of a group."""

    UNREAD = [None, None]  # heard: it is no tie, and left out

    judging = models.ForeignKey(Judging, models.CASCADE, related_name="pairs")
    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="judged_pairs")
    # The chance that the second is preferred, as the judge has it.
    preference = models.FloatField(_("preference"))
    # Of a judge that reads both at once, what it said in each order: 1 for the second, -1 for the
    # first, 0 for neither, null where it said none of these.
    heard = models.JSONField(default=list, blank=True)

    class Meta:
        verbose_name = _("judged pair")
        verbose_name_plural = _("judged pairs")
        constraints = [
            models.UniqueConstraint(fields=["judging", "group"], name="pair_judged_once")
        ]

    def __str__(self) -> str:
        return f"pair of {self.judging}"
