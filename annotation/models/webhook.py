"""Programs that are told what happens in a project."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User
from annotation.models.project import Project


class Webhook(models.Model):
    """An address to which a project's events are sent, signed with `secret`; for a day after it was
    renewed with `former_secret` too.

    One that does not answer rests until `rests_until`, the longer the more often it failed in a
    row. `salt` makes the pseudonyms of labelers: the same for one webhook.
    """

    class Event(models.TextChoices):
        RANKING = "ranking.made", _("a ranking was made or changed")
        UNDONE = "ranking.undone", _("a ranking was taken back")
        GROUP = "group.complete", _("a group was ranked by as many people as are wanted")
        RUN = "run.ended", _("a training run ended")
        VERSION = "version.promoted", _("a version was let serve")

    TEST = "test"

    project = models.ForeignKey(Project, models.CASCADE, related_name="webhooks")
    url = models.CharField(_("address"), max_length=500)
    events = models.JSONField(_("events"), default=list)
    secret = models.CharField(max_length=100, editable=False)
    former_secret = models.CharField(max_length=100, blank=True, default="", editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    salt = models.UUIDField(default=uuid.uuid4, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    made_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="webhooks", editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url

    @property
    def signs_with_both(self) -> bool:
        return self.former_until is not None and self.former_until > timezone.now()

    @property
    def secrets(self) -> list[str]:
        """Those that sign now, the newest first."""
        return [self.secret, self.former_secret] if self.signs_with_both else [self.secret]

    @property
    def event_labels(self) -> list[str]:
        labels = dict(self.Event.choices)
        return [str(labels[event]) for event in self.events if event in labels]


class Delivery(models.Model):
    """One event for one webhook: written with what it tells of, sent by a worker that holds
    `claim`, again and again until it is taken or given up. `body` is sent as it stands."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("taken")
        FAILED = "failed", _("given up")

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.CharField(_("event"), max_length=30)
    body = models.TextField(_("content"))
    status = models.CharField(
        _("state"), max_length=10, choices=Status.choices, default=Status.WAITING
    )
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("next attempt"), default=timezone.now)
    answer_status = models.PositiveSmallIntegerField(_("status of the answer"), null=True)
    answer = models.TextField(_("beginning of the answer"), blank=True)
    problem = models.TextField(_("problem"), blank=True)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    tried_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(status="waiting"), name="delivery_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def message_id(self) -> str:
        """The same however often it is sent."""
        return f"msg_{self.key.hex}"

    @property
    def problem_said(self) -> str:
        """Why there was no answer, in the language of the page."""
        return gettext(self.problem) if self.problem else ""
