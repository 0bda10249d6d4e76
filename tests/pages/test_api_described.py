"""Whatever the API's description allows, and much that it does not, is answered as described.

schemathesis makes the requests; who asks is each of the cast.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.models import Project, User
from annotation.services.exports import ask_for_export
from annotation.services.snapshots import take_named_snapshot
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.api.root import document
from tests.annotation.desk import rank
from tests.pages.test_api import Api
from tests.people import ready_group

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def described(*modes: GenerationMode) -> Any:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))
    schema.app = get_wsgi_application()
    schema.config.generation.update(modes=list(modes))
    return schema


def every_path(schema: Any) -> Callable[[Any], Any]:
    """The test once for each path and method."""
    decorate: Callable[[Any], Any] = schema.parametrize()
    return decorate


valid = described(GenerationMode.POSITIVE)
anything = described(GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

some = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
few = settings(some, max_examples=3)


@pytest.fixture(autouse=True)
def _connection_of_the_test() -> Iterator[None]:
    """A request's end would close it, as everywhere but in Django's own client."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.fixture
def lived_in(project: Project, owner: User, labeler: User) -> dict[str, int]:
    """One of each thing; the key of one by the name that its path has."""
    group = ready_group(project)
    rank(project, labeler)
    rows = b'{"prompt": "Why?", "chosen": "So.", "rejected": "No."}\n'
    upload = receive_upload(project, owner, [rows], "rows.jsonl", with_preview=True)
    work_on_upload(upload.pk)
    return {
        "groups": group.pk,
        "imports": upload.pk,
        "exports": ask_for_export(project, owner, FORMATS["groups"], Wanted()).pk,
        "snapshots": take_named_snapshot(project, "groups", "Taken", owner).pk,
    }


def aimed(case: Any, lived_in: dict[str, int]) -> Any:
    """At the project that is there, and at what is there in it."""
    if "slug" in case.path_parameters:
        case.path_parameters["slug"] = "kitchen"
    if "pk" in case.path_parameters:
        case.path_parameters["pk"] = lived_in[case.path.split("/")[5]]
    return case


def answer(case: Any, user: User | None) -> Response:
    """To the request, found to be as described."""
    secret = f"Bearer {Api(user).secret}" if user else "Bearer laoshi_nothing"
    response: Response = case.call_and_validate(headers={"Authorization": secret}, checks=CHECKS)
    return response


@every_path(valid)
@some
def test_what_an_owner_may_ask_is_answered(
    case: Any, owner: User, lived_in: dict[str, int]
) -> None:
    status = answer(aimed(case, lived_in), owner).status_code
    not_now = status == 409 and (case.method == "POST" or case.path.endswith("/file"))
    assert status < 300 or not_now or (case.method == "POST" and status == 422)


@every_path(anything)
@few
def test_what_nobody_may_ask_is_refused_as_described(
    case: Any, owner: User, lived_in: dict[str, int]
) -> None:
    assert answer(case, owner).status_code < 500


@every_path(anything)
@few
def test_a_labeler_and_a_stranger_get_nothing(
    case: Any, labeler: User, stranger: User, lived_in: dict[str, int]
) -> None:
    for user in (labeler, stranger):
        response = answer(aimed(case, lived_in), user)
        is_list = case.operation.label == "GET /api/v1/projects"
        assert response.status_code >= 400 or (is_list and response.json() == [])


@every_path(anything)
@few
def test_without_a_token_nothing_is_answered(case: Any, lived_in: dict[str, int]) -> None:
    assert answer(aimed(case, lived_in), None).status_code == 401
