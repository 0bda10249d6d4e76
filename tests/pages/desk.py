"""The desk as a labeler's browser speaks to it."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from annotation.models import Assignment, Project, Ranking, User
from tests.people import ready_group

AS_SCRIPT = {"Accept": "application/json"}


def path(name: str, project: Project, *more: Any) -> str:
    return reverse(name, args=[project.slug, *more])


def opened(browser: Client, project: Project, labeler: User) -> dict[str, Any]:
    """Opens the desk; the fields of a complete submit."""
    browser.get(path("rank", project))
    assignment = Assignment.objects.filter(
        labeler=labeler, is_done=False, leased_at__isnull=False
    ).get()
    return {"token": assignment.token, "rank_1": 1, "rank_2": 2, "rank_3": 3}


def submit(browser: Client, project: Project, labeler: User, **changes: Any) -> Any:
    """Opens the desk and submits ranks 1, 2, 3 in the order shown; None leaves a field out."""
    data = {**opened(browser, project, labeler), **changes}
    return browser.post(path("rank", project), {k: v for k, v in data.items() if v is not None})


def rank_two(browser: Client, project: Project, labeler: User) -> None:
    for question in ("One?", "Two?"):
        ready_group(project, question)
        submit(browser, project, labeler)


def undone(browser: Client, project: Project) -> str:
    """Presses the button that undoes the newest ranking; the page that follows."""
    newest = {"ranking": Ranking.objects.filter(is_current=True).latest("id").idempotency_key}
    return browser.post(path("undo", project), newest, follow=True).content.decode()


def seen(html: str) -> str:
    """The page without the markup of Markdown, which the style hides."""
    return re.sub(r'<span class="markup">[^<]*</span>', "", html)
