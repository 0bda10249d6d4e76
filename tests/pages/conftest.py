from collections.abc import Callable

import pytest
from django.test import Client

from annotation.models import User
from tests.people import admin, labeler, neighbour, owner, project, stranger  # noqa: F401

As = Callable[[User], Client]


@pytest.fixture
def as_(db: None) -> As:
    """A browser in which the user is logged in."""

    def logged_in(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return logged_in
