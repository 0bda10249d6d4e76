"""Room on the disk that holds the var folder."""

import shutil

from django.conf import settings

RESERVE = 200_000_000  # bytes that no training may take: labels, logs and pages go on with them
SCARCE = 2_000_000_000  # below this people are warned


def free_bytes() -> int:
    return shutil.disk_usage(settings.VAR_FOLDER).free
