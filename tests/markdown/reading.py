"""What a reader sees of a page's HTML, and how long they wait for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from annotation.models import Message
from annotation.templatetags.text import LONGEST_MARKDOWN, markdown

TEN_MEGABYTES = 10_000_000
A_TEXT = 0.25  # seconds; the worst text of its length took 0.07 where this was measured

FRAGMENTS = [
    *("**", "*", "_", "__", "~~", "`", "```", "```python\n", "\n", "\n\n", "    ", "\t", " "),
    *("# ", "## ", "- ", "* ", "1. ", "12) ", "> ", "|", "|---|---|\n", "---", "===", "$", "$$"),
    *("\\(", "\\)", "\\[", "\\]", "\\", "[", "](", '](http://x.example/y "title")', ")", "<", ">"),
    *("<http://a.example/b>", "<b>", "<!-- note -->", "&amp;", "&#65;", "[x]: y", "[^1]"),
    *("![alt](http://b.example/c.png)", "word", "天空", "سلام", "5", "é", "e\u0301", "😀", "a|b"),
    *("$x_1$", "~", "+ ", "\\begin{align}\n", "\\end{align}", "\r", "\r\n", "\x0c", "\u2028"),
]


@dataclass
class _Reader(HTMLParser):
    all: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    hidden: int = 0

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "span":
            self.hidden += bool(self.hidden) or ("class", "markup") in attrs

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag == "span" and bool(self.hidden)

    def handle_data(self, data: str) -> None:
        self.all.append(data)
        if not self.hidden:
            self.seen.append(data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def text_of(html: str) -> str:
    """All that is in the page, as a script finds it (`textContent`)."""
    return "".join(_read(html).all)


def seen_of(text: str) -> str:
    """What a reader sees of a Markdown text."""
    return "".join(_read(markdown(text)).seen)


def repeated(unit: str, length: int = LONGEST_MARKDOWN) -> str:
    return (unit * (length // len(unit) + 1))[:length]


def turns(count: int, text: str) -> list[Message]:
    return [{"role": ("user", "assistant")[i % 2], "content": f"{text} {i}."} for i in range(count)]


def assert_quick(work: Callable[[], object], limit: float = A_TEXT) -> None:
    """Takes less than `limit` seconds of a processor, once in three times: caches and the garbage
    of other tests may be in the way, and what other processes do."""
    taken = []
    for _again in range(3):
        start = time.thread_time()
        work()
        taken.append(time.thread_time() - start)
        if taken[-1] < limit:
            return
    raise AssertionError(f"{taken} seconds")
