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

from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.models import PolicyVersion, Project, User
from annotation.services.exports import ask_for_export
from annotation.services.projects import create_project
from annotation.services.snapshots import take_named_snapshot
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.api.root import document
from rewardmodel.services import start_reward_run
from rewardmodel.services.merging import ask_for_merged
from rewardmodel.services.snapshot_jobs import ask_for_snapshot
from tests.annotation.desk import rank
from tests.pages.test_api import Api
from tests.people import ready_group

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def described(*modes: GenerationMode, at_every_bound: bool = True) -> Any:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))
    schema.app = get_wsgi_application()
    schema.config.generation.update(modes=list(modes))
    schema.config.phases.coverage.enabled = at_every_bound
    return schema


def every_path(schema: Any) -> Callable[[Any], Any]:
    """The test once for each path and method."""
    decorate: Callable[[Any], Any] = schema.parametrize()
    return decorate


valid = described(GenerationMode.POSITIVE)
anything = described(GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
# Who may ask is decided before anything is made of what was asked: a few requests tell.
some_valid = described(GenerationMode.POSITIVE, at_every_bound=False)
something = described(GenerationMode.POSITIVE, GenerationMode.NEGATIVE, at_every_bound=False)

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
    meant = Mapping({"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"})
    project.saved_mappings.create(name="Ours", mapping=meant.as_json())
    adapter = PolicyVersion.objects.create(project=project, number=1, base_model="b", path="models")
    ask_for_merged(adapter, owner)
    return {
        "groups": group.pk,
        "imports": upload.pk,
        "exports": ask_for_export(project, owner, FORMATS["groups"], Wanted()).pk,
        "runs": start_reward_run(project).pk,
        "snapshots": take_named_snapshot(project, "groups", "Taken", owner).pk,
        "snapshot-jobs": ask_for_snapshot(project, owner, "Another", "groups").pk,
    }


@pytest.fixture
def garden(owner: User) -> Project:
    return create_project(Project(name="Garden", slug="garden"), owner)


def aimed(case: Any, lived_in: dict[str, int]) -> Any:
    """At the project that is there, and at what is there in it."""
    if "slug" in case.path_parameters:
        case.path_parameters["slug"] = "kitchen"
    if "pk" in case.path_parameters:
        case.path_parameters["pk"] = lived_in[case.path.split("/")[5]]
    if "number" in case.path_parameters:
        case.path_parameters |= {"kind": "policy", "number": 1}
    return case


def answer(case: Any, api: Api | None) -> Response:
    """To the request, found to be as described."""
    secret = f"Bearer {api.secret}" if api else "Bearer laoshi_nothing"
    response: Response = case.call_and_validate(headers={"Authorization": secret}, checks=CHECKS)
    return response


def is_answered(case: Any, api: Api) -> bool:
    """Or it cannot be done now."""
    status = answer(case, api).status_code
    not_now = status == 409 and (case.method == "POST" or case.path.endswith("/file"))
    return status < 300 or not_now or (case.method == "POST" and status == 422)


def learns_nothing(case: Any, api: Api, *projects: str) -> bool:
    """But which projects it may open."""
    response = answer(case, api)
    if case.operation.label != "GET /api/v1/projects":
        return response.status_code >= 400
    return response.status_code >= 400 or {
        each["slug"] for each in response.json()["items"]
    } <= set(projects)


@every_path(valid)
@some
def test_what_an_owner_may_ask_is_answered(
    case: Any, owner: User, lived_in: dict[str, int]
) -> None:
    assert is_answered(aimed(case, lived_in), Api(owner))


@every_path(some_valid)
@few
def test_an_admin_is_answered_a_reading_token_reads_and_one_of_another_project_opens_nothing(
    case: Any, owner: User, admin: User, garden: Project, lived_in: dict[str, int]
) -> None:
    aimed(case, lived_in)
    reading = Api(owner, "read")
    if case.method == "GET":
        assert is_answered(case, reading)
    else:
        assert answer(case, reading).status_code in {403, 422}
    assert learns_nothing(case, Api(owner, project=garden), "garden")
    assert is_answered(case, Api(admin))


@every_path(anything)
@few
def test_what_nobody_may_ask_is_refused_as_described(
    case: Any, owner: User, lived_in: dict[str, int]
) -> None:
    assert answer(case, Api(owner)).status_code < 500


@every_path(something)
@few
def test_labelers_here_or_elsewhere_and_strangers_get_nothing(
    case: Any, labeler: User, neighbour: User, stranger: User, lived_in: dict[str, int]
) -> None:
    for user in (labeler, neighbour, stranger):
        assert learns_nothing(aimed(case, lived_in), Api(user))


@every_path(something)
@few
def test_without_a_token_nothing_is_answered(case: Any, lived_in: dict[str, int]) -> None:
    assert answer(aimed(case, lived_in), None).status_code == 401
