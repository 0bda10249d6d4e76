"""Prompts and answers as HTML. They are hostile text: only what is listed here gets through."""

from functools import lru_cache

import nh3
from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from annotation.models import Message

register = template.Library()

LISTED_LENGTH = 240

TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "span", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
# Without the image rule, ![text](address) stays a plain link: no request leaves the browser.
LONGEST_HIGHLIGHTED = 20_000


def _highlighted(code: str, language: str, _attributes: str) -> str:
    """Code as spans with the short classes of Pygments; "" leaves it plain."""
    if not language or len(code) > LONGEST_HIGHLIGHTED:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, _formatter))


_formatter = HtmlFormatter(nowrap=True)
_markdown = (
    MarkdownIt("commonmark", {"html": False, "breaks": True, "highlight": _highlighted})
    .enable(["table", "strikethrough"])
    .disable("image")
)
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes={"a": {"href"}, "ol": {"start"}},
    allowed_classes={"span": set(filter(None, STANDARD_TYPES.values()))},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener nofollow noreferrer",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


@register.filter
@lru_cache(maxsize=1024)
def markdown(text: str) -> SafeString:
    """Safe HTML without images or raw HTML; headings start below the page's own."""
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return mark_safe(_cleaner.clean(html))  # noqa: S308 (sanitised one line above)


@register.filter
def question(messages: list[Message]) -> str:
    """The last turn on one line, shortened: how lists name a prompt."""
    return Truncator(" ".join(messages[-1]["content"].split())).chars(LISTED_LENGTH)


@register.filter
def letter(index: int) -> str:
    """1 is A, 2 is B: what an answer is called, in the order shown."""
    return chr(ord("A") + index - 1)
