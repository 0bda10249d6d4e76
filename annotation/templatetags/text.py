"""Prompts and answers as HTML. They are hostile text: only what is listed here gets through.

A page comes in a fraction of a second whatever its texts are, and all of each text is on it. The
cost is bounded before anything is rendered: the renderer is linear and counts its tags
(annotation.markdown), what goes beyond LONGEST_MARKDOWN characters is shown as it is written,
folded, and so are the first turns of an endless conversation. So nothing that was rendered needs to
be stored, and nothing that renders to be killed.
"""

from dataclasses import dataclass
from functools import lru_cache

import nh3
from django import template
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.markdown.blocks import as_html
from annotation.markdown.direction import direction_of
from annotation.models import Message

register = template.Library()

LISTED_LENGTH = 240
LONGEST_MARKDOWN = 30_000
LONGEST_REMEMBERED = 4_000
MOST_TURNS = 50

TAGS = {
    *("p", "div", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "span", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
CLASSES = {"markup", "number", "language", "address", "maths", "k", "s", "m", "c"}
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes={"*": {"dir"}, "a": {"href"}},
    allowed_classes={"span": CLASSES, "p": CLASSES},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener nofollow noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


@register.filter
def markdown(text: str) -> SafeString:
    """Safe HTML without images or raw HTML. Its text content is the text itself, as scripts rely
    on; what goes beyond LONGEST_MARKDOWN characters is folded."""
    if len(text) <= LONGEST_REMEMBERED:
        return _remembered_html(text)
    head, rest = _cut(text)
    return _html(head) + _folded(rest)


def _html(text: str) -> SafeString:
    """A carriage return in HTML would be read as a line feed."""
    html = _cleaner.clean(as_html(_storable(text))).replace("\r", "&#13;")
    return mark_safe(html)  # noqa: S308 (sanitised one line above)


_remembered_html = lru_cache(maxsize=1024)(_html)


def _storable(text: str) -> str:
    """Without half characters, which no page can hold, and as long as before."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _cut(text: str) -> tuple[str, str]:
    """The text up to the last end of a line within LONGEST_MARKDOWN characters, and the rest."""
    if len(text) <= LONGEST_MARKDOWN:
        return text, ""
    end = text.rfind("\n", LONGEST_MARKDOWN // 2, LONGEST_MARKDOWN) + 1 or LONGEST_MARKDOWN
    return text[:end], text[end:]


def _folded(text: str) -> SafeString:
    """The words of the summary are no text: they would be taken for the answer's."""
    if not text:
        return SafeString()
    label = ngettext(
        "Show all: %(count)s character more", "Show all: %(count)s characters more", len(text)
    ) % {"count": f"{len(text):,}"}
    written = mark_safe(escape(_storable(text)).replace("\r", "&#13;"))  # noqa: S308 (escaped)
    return format_html(
        '<details class="rest"><summary aria-label="{}"></summary><div>{}</div></details>',
        label,
        written,
    )


@register.filter
def direction(text: str) -> str:
    """For the attribute `dir` of an element that holds the text."""
    return direction_of(text[:LONGEST_MARKDOWN]) or "auto"


@dataclass(frozen=True)
class Conversation:
    """The newest turns, and all that was said before them as HTML, folded."""

    earlier: SafeString
    newest: list[Message]


@register.filter
def conversation(messages: list[Message]) -> Conversation:
    """As many turns as can be rendered in time; all of an ordinary conversation."""
    room, start = LONGEST_MARKDOWN, len(messages)
    for message in reversed(messages[-MOST_TURNS:]):
        room -= len(message["content"])
        if room < 0 and start < len(messages):
            break
        start -= 1
    names = {"user": _("Person"), "assistant": _("Model")}
    instruction = _("Instruction to the model")
    said = (f"{names.get(one['role'], instruction)}\n{one['content']}" for one in messages[:start])
    return Conversation(_folded("\n\n".join(said)), messages[start:])


@register.filter
def turns(messages: list[Message]) -> int:
    """How many were said, by person and model: an instruction is none."""
    return sum(message["role"] != "system" for message in messages)


@register.filter
def question(messages: list[Message]) -> str:
    """The last turn on one line, shortened: how lists name a prompt."""
    return beginning(messages[-1]["content"], LISTED_LENGTH)


@register.filter
def beginning(text: str, length: int) -> str:
    """On one line, in `length` characters at most; the time does not depend on the text's."""
    words = text[: 10 * length].split() or text.lstrip()[: 10 * length].split()
    return Truncator(" ".join(words)).chars(length)


@register.filter
def letter(index: int) -> str:
    """1 is A, 2 is B: what an answer is called, in the order shown."""
    return chr(ord("A") + index - 1)
