"""The application, and two pages of it that never return."""

import re
import time
from typing import Any

from config.wsgi import application as ours


def application(environ: dict[str, Any], start_response: Any) -> Any:
    if environ["PATH_INFO"] == "/hangs/":
        time.sleep(600)
    if environ["PATH_INFO"] == "/hangs-in-c/":  # no other thread runs meanwhile
        re.match("(a+)+$", "a" * 64 + "b")
    return ours(environ, start_response)
