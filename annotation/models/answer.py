"""The prompt group: one prompt, its K answers, and what labelers said of them."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.lm.chat import Message, with_system
from annotation.models.comparison import Comparison
from annotation.models.people import User
from annotation.models.policy import PolicyVersion
from annotation.models.project import Project
from annotation.models.prompt import Prompt, PromptUpload


class PromptGroup(models.Model):
    """One prompt answered K times by one policy version, or brought in by an upload, or written in
    the playground, where each answer may have a version of its own."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting for answers")
        GENERATING = "generating", _("generating")
        DRAWN = "drawn", _("answers to be picked")
        READY = "ready", _("ready to rank")
        FAILED = "failed", _("failed")
        WITHDRAWN = "withdrawn", _("withdrawn")
        JUDGED = "judged", _("judged elsewhere")

    class Picked(models.TextChoices):
        CHANCE = "chance", _("by chance")
        INFORMATION = "information", _("by how much their ranking tells")
        REWARD = "reward", _("by what the teacher model likes best")

    MAX_ATTEMPTS = 3

    project = models.ForeignKey(Project, models.CASCADE, related_name="groups")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="groups")
    policy = models.ForeignKey(
        PolicyVersion, models.RESTRICT, null=True, blank=True, related_name="groups"
    )
    upload = models.ForeignKey(
        PromptUpload, models.SET_NULL, null=True, blank=True, related_name="groups", editable=False
    )
    comparison = models.ForeignKey(
        Comparison,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="groups",
        editable=False,
    )
    # Of a comparison: a judge model alone judges it, and no labeler is given it.
    is_for_judge = models.BooleanField(default=False, editable=False)
    asked_by = models.ForeignKey(
        User,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        verbose_name=_("asked in the playground by"),
    )
    # Of what was brought in: the same answers, judged alike, are brought in once.
    content_key = models.CharField(max_length=64, blank=True, editable=False)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    answer_count = models.PositiveSmallIntegerField(_("answers"))
    # How its answers were picked from those that were drawn; "" where all of them are shown.
    picked = models.CharField(_("picked"), max_length=12, choices=Picked.choices, blank=True)
    system_prompt = models.TextField(
        _("system prompt"), blank=True, help_text=_("The project's when it was answered.")
    )
    seed = models.BigIntegerField(_("seed"))
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    failure_reason = models.TextField(_("reason of failure"), blank=True)
    claim = models.UUIDField(null=True, blank=True, editable=False)
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    # What a reward model makes of each answer, by position, before anybody ranked them; its scores
    # differ by the logarithm of the odds that one is preferred.
    expected = models.JSONField(_("expected scores"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("prompt group")
        verbose_name_plural = _("prompt groups")
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "policy"],
                condition=models.Q(comparison__isnull=True),
                name="one_group_per_prompt_and_policy",
            ),
            models.UniqueConstraint(
                fields=["project", "content_key"],
                condition=~models.Q(content_key=""),
                name="uploaded_group_once",
            ),
        ]
        indexes = [models.Index(fields=["project", "status", "id"])]

    def __str__(self) -> str:
        return f"group {self.pk}"

    @property
    def messages(self) -> list[Message]:
        """What the policy read before it answered."""
        return with_system(self.prompt.messages, self.system_prompt)


class Answer(models.Model):
    """One answer, with all that is needed to generate it again; or, where there is no policy, one
    that `author` gave elsewhere."""

    class FinishReason(models.TextChoices):
        STOP = "stop", _("ended by itself")
        LENGTH = "length", _("cut at the longest length")

    group = models.ForeignKey(PromptGroup, models.CASCADE, related_name="answers")
    position = models.PositiveSmallIntegerField(_("position"))
    text = models.TextField(_("text"))
    policy = models.ForeignKey(
        PolicyVersion, models.RESTRICT, null=True, blank=True, related_name="answers"
    )
    author = models.CharField(
        _("author"), max_length=100, blank=True, help_text=_("Of an answer from elsewhere.")
    )
    sampling = models.JSONField(_("sampling parameters"), default=dict, blank=True)
    seed = models.BigIntegerField(_("seed"), null=True, blank=True)
    token_count = models.PositiveIntegerField(_("tokens"), null=True, blank=True)
    finish_reason = models.CharField(
        _("finish reason"), max_length=10, choices=FinishReason.choices
    )

    class Meta:
        verbose_name = _("answer")
        verbose_name_plural = _("answers")
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["group", "position"], name="answer_position_once")
        ]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def cut_at(self) -> int | None:
        """After how many tokens it was cut; None where it ended by itself."""
        is_cut = self.finish_reason == self.FinishReason.LENGTH
        return self.token_count if is_cut else None
