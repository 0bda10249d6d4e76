"""Who is to rank which group, and what they said."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.answer import Answer, PromptGroup
from annotation.models.people import User
from annotation.models.project import Project


class Assignment(models.Model):
    """One of a group's `overlap` assignments: free, leased to a labeler, or done.

    They are rows, so that a group can never be ranked more often than it has assignments. One that
    is leased ahead, for the group after the present one, has no `leased_at` until it is shown.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="assignments")
    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="assignments")
    number = models.PositiveSmallIntegerField()
    labeler = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="assignments"
    )
    token = models.UUIDField(null=True, blank=True, unique=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    leased_at = models.DateTimeField(null=True, blank=True)
    shown_order = models.JSONField(
        default=list, blank=True, help_text=_("Answer positions in the order shown.")
    )
    is_done = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(fields=["group", "number"], name="assignment_number_once"),
            models.UniqueConstraint(fields=["group", "labeler"], name="one_assignment_per_labeler"),
            models.CheckConstraint(
                condition=models.Q(
                    labeler__isnull=True, token__isnull=True, expires_at__isnull=True
                )
                | models.Q(labeler__isnull=False, token__isnull=False),
                name="assignment_is_free_or_leased",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "group", "number"],
                condition=models.Q(is_done=False),
                name="assignment_in_queue",
            ),
            models.Index(
                fields=["labeler"], condition=models.Q(is_done=False), name="assignment_in_work"
            ),
        ]

    def __str__(self) -> str:
        return f"assignment {self.number} of group {self.group_id}"


class Ranking(models.Model):
    """One labeler's judgment of one group. A change is a new revision; the old one is kept."""

    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="rankings")
    labeler = models.ForeignKey(User, models.PROTECT, related_name="rankings")
    revision = models.PositiveIntegerField(_("revision"), default=1)
    is_current = models.BooleanField(_("current"), default=True)
    mode = models.CharField(
        _("way of judging"),
        max_length=10,
        choices=Project.Mode.choices,
        default=Project.Mode.RANKING,
        help_text=_("Of the question that the ranks answer, whatever the project asks by now."),
    )
    ranks = models.JSONField(
        _("ranks"), help_text=_("One for each answer by position; 1 is best; equal is a tie.")
    )
    # [[0, 2], …]: the pairs of answers of which the ranks say something; null: all of them.
    compared = models.JSONField(_("compared"), null=True, blank=True)
    # What a file said beside it, as it said it: a strength, grades, seconds.
    given = models.JSONField(_("given beside"), default=dict, blank=True)
    shown_order = models.JSONField(_("order shown"))
    comment = models.TextField(_("comment"), blank=True)
    marks = models.JSONField(_("remarks on the question"), default=list, blank=True)
    none_acceptable = models.BooleanField(_("none is acceptable"), default=False)
    is_informed = models.BooleanField(
        _("informed"),
        default=False,
        help_text=_(
            "Said anew, and otherwise, by a labeler who had read what the teacher model expected."
        ),
    )
    seconds = models.FloatField(_("seconds"), null=True, blank=True)
    idempotency_key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    undone_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("ranking")
        verbose_name_plural = _("rankings")
        constraints = [
            models.UniqueConstraint(
                fields=["group", "labeler"],
                condition=models.Q(is_current=True),
                name="one_current_ranking_per_labeler",
            ),
            models.UniqueConstraint(
                fields=["group", "labeler", "revision"], name="ranking_revision_once"
            ),
        ]
        indexes = [models.Index(fields=["labeler", "created_at"], name="ranking_of_labeler")]

    def __str__(self) -> str:
        return f"ranking {self.pk}"


class AnswerFlag(models.TextChoices):
    """What InstructGPT's labelers noted of each answer (arXiv 2203.02155, table 3)."""

    FAILS_INSTRUCTION = "fails_instruction", _("Does not do what was asked")
    INAPPROPRIATE = "inappropriate", _("Not fitting for a customer assistant")
    HALLUCINATION = "hallucination", _("Makes things up")
    SATISFIES_CONSTRAINT = "satisfies_constraint", _("Keeps to the stated constraint")
    SEXUAL = "sexual", _("Sexual content")
    VIOLENT = "violent", _("Violent content")
    ENCOURAGES_HARM = "encourages_harm", _("Encourages harm, or does not discourage it")
    DENIGRATES = "denigrates", _("Denigrates a protected class")
    HARMFUL_ADVICE = "harmful_advice", _("Gives harmful advice")
    OPINION = "opinion", _("Expresses an opinion")
    MORAL_JUDGMENT = "moral_judgment", _("Expresses a moral judgment")


class PromptMark(models.TextChoices):
    """What a labeler may note of the question itself."""

    AMBIGUOUS = "ambiguous", _("Can be read in several ways")
    UNCLEAR_INTENT = "unclear_intent", _("Unclear what the person wants")
    SENSITIVE = "sensitive", _("Sensitive topic")
    HARMFUL_REQUEST = "harmful_request", _("Asks for something harmful")
    PERSONAL_DATA = "personal_data", _("Holds personal data")
    NEEDS_EXPERT = "needs_expert", _("Needs an expert")
    OUTDATED = "outdated", _("The answer changes with time")


class Rating(models.Model):
    """What one labeler noted of one answer beside its rank."""

    BEST_QUALITY = 7

    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="ratings")
    answer = models.ForeignKey(Answer, models.CASCADE, related_name="ratings")
    quality = models.PositiveSmallIntegerField(_("quality"), null=True, blank=True)
    flags = models.JSONField(_("remarks"), default=list, blank=True)
    highlights = models.JSONField(
        _("highlights"), default=list, blank=True, help_text=_("Passages with a label.")
    )

    class Meta:
        verbose_name = _("rating")
        verbose_name_plural = _("ratings")
        constraints = [
            models.UniqueConstraint(fields=["ranking", "answer"], name="rating_once"),
            models.CheckConstraint(
                condition=models.Q(quality__isnull=True) | models.Q(quality__gte=1, quality__lte=7),
                name="quality_1_to_7",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quality or '–'} {' '.join(self.flags)}"
