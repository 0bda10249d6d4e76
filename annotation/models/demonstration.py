"""Answers that people wrote."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.answer import Answer
from annotation.models.people import User
from annotation.models.project import Project
from annotation.models.prompt import Prompt, PromptUpload
from annotation.models.ranking import Ranking


class Demonstration(models.Model):
    """An answer that a person wrote, from scratch or by mending one that was shown.

    A change is a new revision; the old one is kept.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="demonstrations")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="demonstrations")
    author = models.ForeignKey(User, models.PROTECT, related_name="demonstrations")
    text = models.TextField(_("text"))
    source = models.ForeignKey(
        Answer,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="demonstrations",
        help_text=_("The answer that was mended, if any."),
    )
    ranking = models.ForeignKey(
        Ranking,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="demonstrations",
        help_text=_("The ranking with which it was written, if any."),
    )
    upload = models.ForeignKey(
        PromptUpload,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="demonstrations",
        editable=False,
    )
    is_first = models.BooleanField(
        _("first"), default=False, help_text=_("Better than all answers of that ranking.")
    )
    revision = models.PositiveIntegerField(_("revision"), default=1)
    is_current = models.BooleanField(_("current"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("demonstration")
        verbose_name_plural = _("demonstrations")
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "author"],
                condition=models.Q(is_current=True),
                name="one_current_demonstration_per_author",
            ),
            models.UniqueConstraint(
                fields=["prompt", "author", "revision"], name="demonstration_revision_once"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Writing(models.Model):
    """An answer under way: its author's lease of the prompt, and a draft that outlives it.

    Nobody else is given the prompt's last open answer before `expires_at`; None: not leased.
    """

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="writings")
    author = models.ForeignKey(User, models.CASCADE, related_name="writings")
    text = models.TextField(_("text"), blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("answer under way")
        verbose_name_plural = _("answers under way")
        constraints = [
            models.UniqueConstraint(fields=["prompt", "author"], name="one_writing_per_author")
        ]

    def __str__(self) -> str:
        return self.text[:80]
