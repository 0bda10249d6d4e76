"""Long files of prompts on their page: accepted at once, then added where everybody can see it."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation.forms.data import LONGEST_LINES
from annotation.models import Project, PromptUpload, User
from annotation.services.uploads import work_on_upload
from tests.pages.conftest import As
from tests.people import member

LONG = "".join(f"What is {number}?\n" for number in range(LONGEST_LINES + 1))


def page(project: Project) -> str:
    return reverse("prompts", args=[project.slug])


def sent(browser: Client, project: Project, content: str = LONG, **more: Any) -> Any:
    file = SimpleUploadedFile("long.txt", content.encode())
    return browser.post(page(project), {"file": file, **more}, follow=True)


def finish() -> None:
    while work_on_upload(PromptUpload.objects.get().pk):
        pass


@pytest.mark.parametrize(
    ("language", "at_work", "done"),
    [
        ("en", f"0 of {LONGEST_LINES + 2} lines", f"{LONGEST_LINES + 1} prompts added"),
        ("zh-CN", f"{LONGEST_LINES + 2} 行中的 0 行", f"已添加 {LONGEST_LINES + 1} 条提示词"),
    ],
)
def test_a_long_file_is_accepted_at_once_and_its_progress_shown(
    as_: As, project: Project, owner: User, language: str, at_work: str, done: str
) -> None:
    browser = as_(owner)
    sent(browser, project, language="en")
    assert not project.prompts.exists()
    headers = {"accept-language": language}
    html = browser.get(page(project), headers=headers).content.decode()
    assert at_work in html
    assert 'hx-trigger="every 2s"' in html
    finish()
    html = browser.get(page(project), headers={**headers, "HX-Request": "true"}).content.decode()
    assert html.startswith('<div id="uploads">')
    assert done in html


def test_pasted_lines_that_are_many_take_the_same_way(
    as_: As, project: Project, owner: User
) -> None:
    as_(owner).post(page(project), {"text": f"{LONG}And what is that?"})
    finish()
    assert project.prompts.count() == LONGEST_LINES + 2


def test_few_lines_are_added_at_once(as_: As, project: Project, owner: User) -> None:
    sent(as_(owner), project, "One?\nTwo?\n")
    assert project.prompts.count() == 2
    assert not PromptUpload.objects.exists()


@pytest.mark.parametrize(
    ("language", "problem", "nothing"),
    [
        ("en", "Line {}: this is no JSON from character 2 on.", "Nothing was added."),
        ("zh-CN", "第 {} 行：从第 2 个字符起不是有效的 JSON。", "未添加任何内容。"),
    ],
)
def test_what_is_wrong_with_a_long_file_is_said_in_the_language_of_the_page(
    as_: As, project: Project, owner: User, language: str, problem: str, nothing: str
) -> None:
    browser = as_(owner)
    sent(browser, project, f"{LONG}{{broken\n")
    finish()
    headers = {"accept-language": language}
    html = browser.get(page(project), headers=headers).content.decode()
    assert problem.format(LONGEST_LINES + 2) in html
    assert nothing in html


def test_an_admin_cancels_an_upload(as_: As, project: Project, owner: User, admin: User) -> None:
    sent(as_(owner), project)
    upload = PromptUpload.objects.get()
    cancel = reverse("upload_cancel", args=[project.slug, upload.pk])
    answer = as_(admin).post(cancel, follow=True)
    assert "The upload is cancelled." in answer.content.decode()
    finish()
    upload.refresh_from_db()
    assert (upload.status, project.prompts.count()) == ("cancelled", 0)


def test_labelers_and_strangers_neither_see_nor_cancel_uploads(
    as_: As, project: Project, owner: User, labeler: User, stranger: User
) -> None:
    sent(as_(owner), project)
    upload = PromptUpload.objects.get()
    for person in (labeler, stranger, member_of_another_project()):
        cancel = reverse("upload_cancel", args=[project.slug, upload.pk])
        assert as_(person).post(cancel).status_code in (403, 404)
        assert as_(person).get(page(project)).status_code in (403, 404)
    upload.refresh_from_db()
    assert upload.is_active


def member_of_another_project() -> User:
    other = Project.objects.create(name="Other", slug="other")
    return member(other, "other", "admin")
