"""What the reward model learns from."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.answer import Answer
from annotation.models.demonstration import Demonstration
from annotation.models.project import Project
from annotation.models.ranking import Ranking


class Triple(models.Model):
    """[question, answer, score]: one labeler's score of one answer, in [-1, 1].

    The answer is one of the group's, or one that the labeler wrote and placed before them all;
    with such a one, `rank` counts K + 1 answers.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="triples")
    ranking = models.ForeignKey(Ranking, models.CASCADE, related_name="triples")
    answer = models.ForeignKey(
        Answer, models.CASCADE, null=True, blank=True, related_name="triples"
    )
    demonstration = models.ForeignKey(
        Demonstration, models.CASCADE, null=True, blank=True, related_name="triples"
    )
    rank = models.PositiveSmallIntegerField(_("rank"))
    score = models.FloatField(_("score"))

    class Meta:
        verbose_name = _("triple")
        verbose_name_plural = _("triples")
        constraints = [
            models.UniqueConstraint(fields=["ranking", "answer"], name="triple_once"),
            models.CheckConstraint(
                condition=models.Q(answer__isnull=True) ^ models.Q(demonstration__isnull=True),
                name="triple_of_one_answer",
            ),
            models.CheckConstraint(
                condition=models.Q(score__gte=-1.0, score__lte=1.0), name="score_within_one"
            ),
        ]
        indexes = [models.Index(fields=["project", "id"])]

    def __str__(self) -> str:
        return f"{self.score:+.2f}"

    @property
    def text(self) -> str:
        """The answer, whoever wrote it."""
        written = self.answer or self.demonstration
        return written.text if written else ""

    @property
    def policy_number(self) -> int | None:
        """None when no policy wrote the answer."""
        policy = self.answer.policy if self.answer else None
        return policy.number if policy else None
