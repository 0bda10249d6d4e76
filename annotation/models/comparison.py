"""Two policy versions before people who do not know which is which."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.models.people import User
from annotation.models.policy import PolicyVersion
from annotation.models.project import Project


class Comparison(models.Model):
    """Both answer the same held-out prompts; labelers judge the pairs in the ordinary queue.

    In its groups the answer at position 0 is the first version's, the one at 1 the second's.
    """

    class Status(models.TextChoices):
        RUNNING = "running", _("running")
        FIRST = "first", _("the first is preferred")
        SECOND = "second", _("the second is preferred")
        UNDECIDED = "undecided", _("not decided")
        CANCELLED = "cancelled", _("cancelled")

    project = models.ForeignKey(Project, models.CASCADE, related_name="comparisons")
    first = models.ForeignKey(PolicyVersion, models.RESTRICT, related_name="compared_as_first")
    second = models.ForeignKey(PolicyVersion, models.RESTRICT, related_name="compared_as_second")
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.RUNNING
    )
    promotes = models.BooleanField(
        default=False, help_text=_("The second version serves when it is preferred.")
    )
    started_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="comparisons"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("comparison")
        verbose_name_plural = _("comparisons")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second"],
                condition=models.Q(status="running"),
                name="one_running_comparison_of_two",
            )
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"
