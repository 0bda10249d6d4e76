"""Chinese is complete: each text that a page can show has its translation."""

import ast
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po
from django.conf import settings
from django.urls import reverse
from django.utils.translation.template import templatize

from annotation.judgment.judgment import Judgment
from annotation.models import Project, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from tests.pages.conftest import As
from tests.people import ready_group

ROOT = Path(settings.BASE_FOLDER)
PAGES = [
    "project",
    "prompts",
    "groups",
    "triples",
    "flags",
    "skips",
    "mine",
    "versions",
    "people",
    "project_settings",
    "rank",
]
CALLS = {"_": None, "gettext": None, "gettext_lazy": None, "gettext_noop": None, "ngettext": (1, 2)}
TEXT = re.compile(r"""(?:n?gettext|_)\((u?'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""")

VALUE = re.compile(r"%\((\w+)\)|\{(\w+)(:[^}]*)?\}")


def translated() -> dict[str, str]:
    file = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
    with file.open("rb") as lines:
        catalog = read_po(lines, locale="zh_Hans")
    texts = {}
    for message in catalog:
        if message.id and not message.fuzzy:
            texts[_first(message.id)] = _first(message.string or "")
    return texts


def _first(text: str | Sequence[str]) -> str:
    """The text, or the first form of one with a plural."""
    return text if isinstance(text, str) else text[0]


def texts_in_templates() -> Iterator[str]:
    for file in (ROOT / "templates").rglob("*.html"):
        marked = templatize(file.read_text(encoding="utf-8"))
        for match in TEXT.finditer(marked):
            yield ast.literal_eval(match[1])


def texts_in_code() -> Iterator[str]:
    for app in ("annotation", "rewardmodel"):
        for file in (ROOT / app).rglob("*.py"):
            found = extract_python(io.BytesIO(file.read_bytes()), CALLS, [], {})
            for _line, _function, messages, _comments in found:
                if messages and _first(messages):  # nothing where the text is not written out
                    yield _first(messages)


def test_every_text_has_a_chinese_translation() -> None:
    known = translated()
    wanted = {*texts_in_templates(), *texts_in_code()}
    assert len(wanted) > 300
    assert {text for text in wanted if not known.get(text)} == set()


def test_translations_keep_the_places_for_values() -> None:
    for text, chinese in translated().items():
        assert set(VALUE.findall(chinese)) == set(VALUE.findall(text)), text


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_shown_in_chinese(
    as_: As, project: Project, owner: User, labeler: User, page: str
) -> None:
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    ready_group(project, "天为什么是蓝的？")
    browser = as_(owner)
    path = reverse(page, args=[project.slug])
    english = browser.get(path).content.decode()
    chinese = browser.get(path, headers={"accept-language": "zh-CN"}).content.decode()
    assert '<html lang="zh-hans"' in chinese
    left = {text for text in texts_in_templates() if is_shown(text, english)}
    assert left, "the English page shows texts of its templates"
    assert {text for text in left if is_shown(text, chinese)} == set()


def test_chinese_has_a_word_of_its_own_for_remarks_and_for_the_comment() -> None:
    known = translated()
    assert known["Remarks"] != known["Comment"]


def is_shown(text: str, html: str) -> bool:
    """Whether the page shows this text as a whole element; names of things may be the same."""
    return len(text) > 3 and f">{text}<" in html
