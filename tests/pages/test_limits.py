"""How much a page takes, and who may send much."""

from http import HTTPStatus

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation.models import Project, User
from annotation.services.uploads import work_on_upload
from config import limits
from tests.pages.conftest import As


def lines(size: int) -> SimpleUploadedFile:
    """One prompt, and empty lines of a thousand characters."""
    empty = (b" " * 999 + b"\n") * (size // 1000 + 1)
    return SimpleUploadedFile("prompts.txt", b"How do I boil an egg?\n" + empty)


def test_an_upload_is_large_on_the_page_for_uploads(as_: As, project: Project, admin: User) -> None:
    path = reverse("prompts", args=[project.slug])
    sent = {"file": lines(2 * limits.BODY)}
    assert as_(admin).post(path, sent).status_code == HTTPStatus.FOUND
    while work_on_upload(project.uploads.get().pk):
        pass
    assert project.prompts.count() == 1


def test_more_than_an_upload_may_have_is_refused_in_a_sentence(
    as_: As, project: Project, admin: User
) -> None:
    path = reverse("prompts", args=[project.slug])
    response = as_(admin).post(path, {"file": lines(limits.UPLOAD)})
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "takes up to 32.0\xa0MB at once" in response.content.decode()
    assert not project.prompts.exists()


@pytest.mark.parametrize("name", ["rank", "people", "project_settings"])
def test_other_pages_take_little(as_: As, project: Project, owner: User, name: str) -> None:
    path = reverse(name, args=[project.slug])
    response = as_(owner).post(path, {"text": "a" * limits.BODY})
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_who_is_not_logged_in_can_send_little(client: Client, db: None) -> None:
    response = client.post("/login/", {"username": "a" * limits.BODY_BEFORE_LOGIN})
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_an_upload_without_its_token_is_refused(project: Project, owner: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    sent = {"text": "How do I boil an egg?"}
    path = reverse("prompts", args=[project.slug])
    assert client.post(path, sent).status_code == HTTPStatus.FORBIDDEN
    assert not project.prompts.exists()
