"""The pages of annotation stand without rewardmodel; the shell, at the top level, knows both."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from rewardmodel.urls import urlpatterns

ROOT = Path(settings.BASE_FOLDER)
LEARNING_URLS = {getattr(pattern, "name", None) for pattern in urlpatterns} - {None}
LEARNING_TAGS = {file.stem for file in (ROOT / "rewardmodel" / "templatetags").glob("*.py")}


def found(expression: str) -> Iterator[tuple[str, str]]:
    """(template, what the expression found) in all templates below the top level but learning's."""
    for file in (ROOT / "templates").glob("*/**/*.html"):
        if "rewardmodel" not in file.parts:
            for text in re.findall(expression, file.read_text(encoding="utf-8")):
                yield file.name, text


def test_they_load_no_tags_of_rewardmodel() -> None:
    loaded = [(name, tag) for name, tags in found(r"{% load ([^%]+) %}") for tag in tags.split()]
    assert {tag for _name, tag in loaded} > {"i18n", "text", "numbers"}
    assert [(name, tag) for name, tag in loaded if tag in LEARNING_TAGS] == []


def test_they_name_no_page_of_rewardmodel() -> None:
    named = list(found(r"{% url ['\"](\w+)"))
    assert {url for _name, url in named} > {"groups", "rank"}
    assert [(name, url) for name, url in named if url in LEARNING_URLS] == []


def test_they_include_and_extend_no_template_of_rewardmodel() -> None:
    assert list(found(r"{% (?:include|extends) ['\"]rewardmodel/[^'\"]+")) == []


def parts_of(page: str, seen: frozenset[str] = frozenset()) -> str:
    """The text of a template with all that it includes."""
    if page in seen:  # a tree's part includes itself
        return ""
    text = (ROOT / "templates" / page).read_text(encoding="utf-8")
    parts = re.findall(r"{% include \"([^\"]+)\"", text)
    return text + "".join(parts_of(part, seen | {page}) for part in parts)


def test_a_page_with_a_part_that_is_asked_for_again_loads_what_asks() -> None:
    pages = [file.relative_to(ROOT / "templates") for file in (ROOT / "templates").rglob("*.html")]
    asking = {str(page): parts_of(str(page)) for page in pages if not page.name.startswith("_")}
    asking = {page: text for page, text in asking.items() if "hx-get" in text}
    assert "annotation/exports.html" in asking
    assert [page for page, text in asking.items() if "htmx-2.min.js" not in text] == []
