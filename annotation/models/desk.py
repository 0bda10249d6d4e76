"""What happens at a labeler's desk beside the ranking itself: drafts, skips, flags."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.answer import PromptGroup
from annotation.models.people import User
from annotation.models.project import Project
from annotation.models.prompt import Prompt


class Draft(models.Model):
    """A judgment under way, as its form's fields by the order shown under `token`.

    Its fields say what they answer, so that it is never read as the answer to another question.
    It outlives its lease: late work is found by its token, and comes back with the group.
    """

    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="drafts")
    labeler = models.ForeignKey(User, models.CASCADE, related_name="drafts")
    token = models.UUIDField(unique=True, editable=False)
    shown_order = models.JSONField(default=list)
    content = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        constraints = [
            models.UniqueConstraint(fields=["group", "labeler"], name="one_draft_per_labeler")
        ]

    def __str__(self) -> str:
        return f"draft {self.pk}"


class Skip(models.Model):
    """A group that a labeler does not want to judge; it is never handed to them again."""

    class Reason(models.TextChoices):
        UNSURE = "unsure", _("I do not know enough about it")
        UNCLEAR = "unclear", _("The question is unclear")
        UNPLEASANT = "unpleasant", _("I would rather not read this")
        BROKEN = "broken", _("The answers are broken or all the same")
        OTHER = "other", _("Another reason")

    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="skips")
    labeler = models.ForeignKey(User, models.CASCADE, related_name="skips")
    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("skip")
        verbose_name_plural = _("skips")
        constraints = [
            models.UniqueConstraint(fields=["group", "labeler"], name="one_skip_per_labeler")
        ]

    def __str__(self) -> str:
        return f"{self.labeler}: {self.get_reason_display()}"


class Flag(models.Model):
    """A word from a labeler to the admins about a prompt."""

    LONGEST = 2000

    project = models.ForeignKey(Project, models.CASCADE, related_name="flags")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="flags")
    labeler = models.ForeignKey(User, models.CASCADE, related_name="flags")
    text = models.TextField(_("what is wrong"), max_length=LONGEST)
    created_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        indexes = [models.Index(fields=["project", "resolved_at", "id"])]

    def __str__(self) -> str:
        return self.text[:80]
