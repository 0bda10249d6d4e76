"""What the policy is asked."""

from typing import TypedDict

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import FEWEST_ANSWERS, LONGEST_LANGUAGE, MOST_ANSWERS
from annotation.models.project import Project


class Message(TypedDict):
    role: str
    content: str


class Prompt(models.Model):
    """A list of chat messages whose last one is the user's."""

    class Split(models.TextChoices):
        TRAIN = "train", _("training")
        HELDOUT = "heldout", _("held out")

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompts")
    messages = models.JSONField(_("messages"))
    key = models.CharField(_("key"), max_length=64, help_text=_("SHA-256 of the messages."))
    language = models.CharField(_("language"), max_length=LONGEST_LANGUAGE, blank=True)
    split = models.CharField(_("split"), max_length=7, choices=Split.choices)
    answers_wanted = models.PositiveSmallIntegerField(
        _("answers"),
        null=True,
        blank=True,
        validators=[MinValueValidator(FEWEST_ANSWERS), MaxValueValidator(MOST_ANSWERS)],
        help_text=_("Empty: as many as the project asks for."),
    )
    last_policy_number = models.IntegerField(
        default=-1, editable=False, help_text=_("Newest policy that was asked; -1: none yet.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("prompt")
        verbose_name_plural = _("prompts")
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="prompt_once_per_project"),
            models.CheckConstraint(
                condition=models.Q(answers_wanted__isnull=True)
                | models.Q(answers_wanted__gte=FEWEST_ANSWERS, answers_wanted__lte=MOST_ANSWERS),
                name="prompt_answers_wanted_2_to_9",
            ),
        ]
        indexes = [models.Index(fields=["project", "last_policy_number", "id"])]

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80]
