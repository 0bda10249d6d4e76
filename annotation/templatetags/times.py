"""Points in time as people read them: in the viewer's zone, which is named."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

register = template.Library()


@register.filter
def moment(when: datetime) -> SafeString:
    """A <time>: times.js turns it into the browser's zone where the server does not know it yet."""
    local = timezone.localtime(when)
    return format_html(
        '<time datetime="{}">{} <span class="zone">{}</span></time>',
        when.isoformat(timespec="seconds"),
        f"{local:%Y-%m-%d %H:%M}",
        offset(local),
    )


@register.filter
def duration(seconds: float) -> str:
    """The two largest units of it."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return gettext("%(minutes)d min %(seconds)d s") % {
            "minutes": minutes,
            "seconds": whole % 60,
        }
    return gettext("%(seconds)d s") % {"seconds": whole}


def offset(local: datetime) -> str:
    """Of its zone then: UTC, UTC+8, UTC-3:30."""
    east = local.utcoffset() or timedelta()
    hours, seconds = divmod(abs(east).seconds, 3600)
    if not east:
        return "UTC"
    sign = "+" if east > timedelta() else "-"
    return f"UTC{sign}{hours}" + (f":{seconds // 60:02}" if seconds else "")
