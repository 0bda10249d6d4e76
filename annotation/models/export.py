"""Files that an admin takes out."""

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotation.exchange.writing.formats import FORMATS, Format
from annotation.models.job import FileJob


class Export(FileJob):
    """A file of the project's data.

    `wanted` is what was asked for, as `exchange.writing.wanted.Wanted` spells it. `salt` makes the
    pseudonyms of labelers: those of two exports cannot be matched.
    """

    salt = models.UUIDField(default=uuid.uuid4, editable=False)
    format = models.CharField(_("format"), max_length=40)
    wanted = models.JSONField(_("wanted"), default=dict)
    rows = models.PositiveIntegerField(_("rows"), default=0)
    left_out = models.PositiveIntegerField(
        _("left out"), default=0, help_text=_("Read, but the format cannot hold them.")
    )

    class Meta(FileJob.Meta):
        verbose_name = _("export")
        verbose_name_plural = _("exports")

    @property
    def made_as(self) -> Format:
        return FORMATS[self.format]

    @property
    def file(self) -> Path:
        extension = self.made_as.container.extension
        return settings.VAR_FOLDER / "exports" / f"{self.key.hex}.{extension}"

    @property
    def file_name(self) -> str:
        day = timezone.localdate(self.created_at).isoformat()
        name = self.format.replace("_", "-")
        return f"{self.project.slug}-{name}-{day}.{self.made_as.container.extension}"
