"""Projects, and what each of them asks for."""

from datetime import time

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotation.exchange.prompts import FEWEST_ANSWERS, MOST_ANSWERS
from annotation.judgment.judgment import RANKING, THUMBS, Asked
from annotation.models.people import User

BOUNDS: dict[str, tuple[float, float]] = {
    "answers_per_group": (FEWEST_ANSWERS, MOST_ANSWERS),
    "answers_drawn": (0, 64),
    "overlap": (1, 50),
    "queue_target": (0, 10_000),
    "lease_minutes": (1, 7 * 24 * 60),
    "demonstrations_wanted": (0, 50),
    "temperature": (0, 2),
    "top_p": (0.01, 1),
    "max_new_tokens": (1, 8192),
    "heldout_percent": (1, 90),
    "training_threshold": (1, 1_000_000),
    "demonstrations_threshold": (0, 1_000_000),
    "kl_budget": (0, 1_000_000),
}
"""Smallest and largest value of each number of a project; its form and its database hold to it."""


def _within(name: str) -> list[MinValueValidator | MaxValueValidator]:
    least, most = BOUNDS[name]
    return [MinValueValidator(least), MaxValueValidator(most)]


def installation_zone() -> str:
    """The name of the time zone in which schedules are meant where nobody says another."""
    return settings.TIME_ZONE


def _bounded(name: str) -> models.CheckConstraint:
    least, most = BOUNDS[name]
    condition = models.Q((f"{name}__gte", least), (f"{name}__lte", most))
    return models.CheckConstraint(condition=condition, name=f"project_{name}_in_bounds")


class Project(models.Model):
    """One policy being taught by one group of people."""

    class Mode(models.TextChoices):
        RANKING = RANKING, _("put the answers in order")
        THUMBS = THUMBS, _("good or bad, one press an answer")

    class Pick(models.TextChoices):
        INFORMATION = "information", _("those whose ranking tells most")
        REWARD = "reward", _("those that the teacher model likes best")

    class Promotion(models.TextChoices):
        GATE = "gate", _("by itself, when it passes its gate")
        PEOPLE = "people", _("when people prefer it, too, in a blind comparison")
        ADMIN = "admin", _("when an admin says so")

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("address"), unique=True)
    guidelines = models.TextField(
        _("guidelines"), blank=True, help_text=_("Shown to labelers beside their work. Markdown.")
    )
    members = models.ManyToManyField(User, through="Membership", related_name="projects")
    is_active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_(
            "Otherwise the project is paused: no further answers are asked for and no training "
            "starts by itself. What is ready can still be ranked."
        ),
    )

    answers_per_group = models.PositiveSmallIntegerField(
        _("answers per prompt"),
        default=4,
        validators=_within("answers_per_group"),
    )
    answers_drawn = models.PositiveSmallIntegerField(
        _("answers drawn for each prompt"),
        default=0,
        validators=_within("answers_drawn"),
        help_text=_(
            "Of which those that are shown are picked, once a teacher model follows the rankings. "
            "Not more than are shown: all are shown."
        ),
    )
    pick = models.CharField(
        _("which of them are shown"),
        max_length=12,
        choices=Pick.choices,
        default=Pick.INFORMATION,
        help_text=_(
            "A quarter of the prompts, and all held-out ones, show answers that chance picked."
        ),
    )
    overlap = models.PositiveSmallIntegerField(
        _("rankings per prompt"),
        default=1,
        validators=_within("overlap"),
        help_text=_("How many labelers rank each group of answers."),
    )
    queue_target = models.PositiveIntegerField(
        _("groups kept ready"),
        default=24,
        validators=_within("queue_target"),
        help_text=_("Answers are generated until this many groups wait for labelers."),
    )
    lease_minutes = models.PositiveIntegerField(
        _("minutes to rank a group"),
        default=30,
        validators=_within("lease_minutes"),
        help_text=_("After this a group that was not submitted is offered to others."),
    )

    mode = models.CharField(
        _("way of judging"), max_length=10, choices=Mode.choices, default=Mode.RANKING
    )
    asks_quality = models.BooleanField(
        _("ask for the quality of each answer"),
        default=False,
        help_text=_("From 1 to 7. Scores then follow from it, not from the order."),
    )
    answer_flags = models.JSONField(_("remarks on an answer"), default=list, blank=True)
    prompt_marks = models.JSONField(_("remarks on the question"), default=list, blank=True)
    shows_expectation = models.BooleanField(
        _("say what the teacher model expected"),
        default=False,
        help_text=_("After a ranking is submitted, never before."),
    )
    demonstrations_wanted = models.PositiveSmallIntegerField(
        _("answers to write for each prompt"),
        default=0,
        validators=_within("demonstrations_wanted"),
        help_text=_("By how many people. 0: nobody is asked to write answers from scratch."),
    )

    policy_model = models.CharField(
        _("base model"),
        max_length=500,
        blank=True,
        help_text=_("Path or hub name. Empty: the installation's POLICY_MODEL."),
    )
    system_prompt = models.TextField(
        _("system prompt"),
        blank=True,
        max_length=4000,
        help_text=_(
            "Put before every prompt that has no system message of its own, when the model "
            "answers as in training. Labelers do not see it. Some models take none."
        ),
    )
    temperature = models.FloatField(
        _("temperature"), default=1.0, validators=_within("temperature")
    )
    top_p = models.FloatField(_("top p"), default=1.0, validators=_within("top_p"))
    max_new_tokens = models.PositiveIntegerField(
        _("longest answer in tokens"),
        default=256,
        validators=_within("max_new_tokens"),
    )

    heldout_percent = models.PositiveSmallIntegerField(
        _("held-out prompts in percent"),
        default=20,
        validators=_within("heldout_percent"),
        help_text=_("Never trained on. Applies to prompts added from now on."),
    )
    training_is_automatic = models.BooleanField(
        _("train automatically"),
        default=True,
        help_text=_("Otherwise only the buttons on the overview start a training."),
    )
    training_threshold = models.PositiveIntegerField(
        _("new rankings before a reward model is trained"),
        default=100,
        validators=_within("training_threshold"),
    )
    training_daily_at = models.TimeField(
        _("and every day at"),
        default=time(3),
        null=True,
        blank=True,
        help_text=_(
            "Trains a reward model then if anything new was ranked, however little. Empty: only "
            "after so many rankings."
        ),
    )
    training_zone = models.CharField(
        _("time zone of that hour"), max_length=64, default=installation_zone
    )
    training_daily_since = models.DateTimeField(default=timezone.now, editable=False)
    """When that hour was set: one that had passed by then is made up for by nothing."""
    updates_follow = models.BooleanField(
        _("update the policy after each reward model that passes its gate"), default=True
    )
    demonstrations_threshold = models.PositiveIntegerField(
        _("new demonstrations before the policy learns from them"),
        default=0,
        validators=_within("demonstrations_threshold"),
        help_text=_("Answers that people wrote (stage 2). 0: only by the button on the overview."),
    )
    promotion = models.CharField(
        _("a new policy serves"),
        max_length=10,
        choices=Promotion.choices,
        default=Promotion.GATE,
        help_text=_(
            "In a comparison the old and the new version answer the same held-out prompts, and "
            "labelers judge the pairs in their queue without knowing which is which."
        ),
    )
    kl_budget = models.FloatField(
        _("KL budget"),
        default=20.0,
        validators=_within("kl_budget"),
        help_text=_("In nats an answer: how far a policy may move from the base model."),
    )
    text_settings = models.JSONField(
        _("more settings of raw text"),
        default=dict,
        blank=True,
        help_text=_("What differs from the defaults and has no field above, as JSON."),
    )
    demonstrations_settings = models.JSONField(
        _("more settings of demonstrations"),
        default=dict,
        blank=True,
        help_text=_("What differs from the defaults and has no field above, as JSON."),
    )
    reward_settings = models.JSONField(
        _("more settings of the reward model"),
        default=dict,
        blank=True,
        help_text=_("What differs from the defaults and has no field above, as JSON."),
    )
    policy_settings = models.JSONField(
        _("more settings of the policy update"),
        default=dict,
        blank=True,
        help_text=_("What differs from the defaults and has no field above, as JSON."),
    )
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True, editable=False)
    deletion_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ["name"]
        constraints = [
            *(_bounded(name) for name in BOUNDS),
            models.CheckConstraint(
                condition=models.Q(archived_at__isnull=True) | models.Q(is_active=False),
                name="archived_project_is_paused",
            ),
            models.CheckConstraint(
                condition=models.Q(deletion_asked_at__isnull=True)
                | models.Q(archived_at__isnull=False),
                name="deleted_project_is_archived",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def asked(self) -> Asked:
        return Asked(
            mode=self.mode,
            quality=self.asks_quality,
            flags=tuple(self.answer_flags),
            marks=tuple(self.prompt_marks),
        )

    @property
    def asks_for_order_only(self) -> bool:
        """Nothing is said of single answers or of the question: one press can say it all."""
        return not (self.asks_quality or self.answer_flags or self.prompt_marks)
