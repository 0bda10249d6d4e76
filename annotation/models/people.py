"""Who logs in, and what they may do where."""

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotation.names import lookalikes


class User(AbstractUser):
    """Whoever logs in. What they may do in a project stands in their membership."""

    must_change_password = models.BooleanField(
        _("chooses a password at the next login"), default=False
    )
    """Theirs was made by somebody else: until they chose one, every page leads to that."""

    is_foreign = models.BooleanField(
        _("pseudonym"),
        default=False,
        editable=False,
        help_text=_("Stands for a labeler of a file; nobody logs in as it, or is a member."),
    )

    class Meta(AbstractUser.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_foreign=False) | models.Q(is_active=False),
                name="no_login_as_pseudonym",
            )
        ]

    def clean(self) -> None:
        """Normalizes the name. Raises ValidationError for one that is taken or reads like it."""
        super().clean()
        others = User.objects.exclude(pk=self.pk).values_list("username", flat=True)
        is_new = not User.objects.filter(pk=self.pk, username=self.username).exists()
        own = lookalikes(self.username)
        if is_new and any(own & lookalikes(other) for other in others.iterator()):
            raise ValidationError({"username": self.taken(self.username)})

    @staticmethod
    def taken(name: str) -> str:
        text = _("The name “%(name)s” is taken, or reads like one that is: choose another.")
        return text % {"name": name}


class Membership(models.Model):
    """What a user may do in a project."""

    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        ADMIN = "admin", _("admin")
        LABELER = "labeler", _("labeler")

    project = models.ForeignKey("Project", models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        User,
        models.CASCADE,
        related_name="memberships",
        limit_choices_to={"is_foreign": False},
    )
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.LABELER)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"
