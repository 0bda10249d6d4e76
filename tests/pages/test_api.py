"""What programs are offered, with tokens."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.api import access
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.models import ApiToken, Project, Snapshot, User
from annotation.services.exports import ask_for_export, write_next_export
from annotation.services.people import remove_member
from annotation.services.projects import create_project
from annotation.services.tokens import make_token
from rewardmodel.models import TrainingRun
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.people import ask, champion, ready_group, serving_reward_model

ROOT = "/api/v1"


class Api:
    """A program with a token of the user."""

    def __init__(self, user: User, scope: str = "write", project: Project | None = None) -> None:
        self.token, self.secret = make_token(
            user, name="script", scope=scope, days=1, project=project
        )

    def get(self, path: str, **asked: Any) -> Any:
        return Client().get(ROOT + path, asked, headers=self._headers)

    def post(self, path: str, content: Any) -> Any:
        kind = "application/json"
        return Client().post(ROOT + path, content, content_type=kind, headers=self._headers)

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}


def paged(api: Api, path: str, *names: str) -> list[Any]:
    """Those fields of all, one a page."""
    found, after = [], 0
    while after is not None:
        page = api.get(path, limit=1, after=after).json()
        found += [tuple(each[name] for name in names) for each in page["items"]]
        after = page["next"]
    return found


def snapshot(project: Project) -> Snapshot:
    kind, number = Snapshot.Kind.GROUPS, project.snapshots.count()
    return project.snapshots.create(kind=kind, sha256=f"{number:064}", rows=1)


def new_run(project: Project, **fields: Any) -> TrainingRun:
    read = {"snapshot": snapshot(project), "policy": champion(project)}
    return TrainingRun.objects.create(project=project, kind="reward", **read, **fields)


PATHS = ["/projects/kitchen/prompts", "/projects/kitchen/groups", "/projects/kitchen/versions"]
EGG = {
    "prompt": "How do I boil an egg?",
    "answers": [{"text": "So."}, {"text": "Thus.", "author": "m"}],
}


@pytest.mark.parametrize("path", [*PATHS, "/projects"])
def test_without_a_token_nothing_is_told_whoever_is_logged_in(
    as_: As, project: Project, owner: User, path: str
) -> None:
    response = as_(owner).get(ROOT + path)
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", PATHS)
def test_a_token_may_what_its_user_may(
    project: Project, owner: User, admin: User, labeler: User, stranger: User, path: str
) -> None:
    assert [Api(user).get(path).status_code for user in (owner, admin)] == [200, 200]
    assert [Api(user).get(path).status_code for user in (labeler, stranger)] == [404, 404]


def test_a_token_of_one_project_opens_no_other(project: Project, owner: User) -> None:
    other = create_project(Project(name="Garden", slug="garden"), owner)
    api = Api(owner, project=other)
    assert api.get("/projects/kitchen/prompts").status_code == 404
    assert [each["slug"] for each in api.get("/projects").json()["items"]] == ["garden"]


def test_a_reading_token_writes_nothing(project: Project, owner: User) -> None:
    api = Api(owner, "read")
    for path, content in (
        ("/projects/kitchen/prompts", {"prompts": [{"prompt": "So?"}]}),
        ("/projects/kitchen/groups", EGG),
        ("/projects/kitchen/exports", {"format": "groups"}),
        ("/projects/kitchen/runs", {"kind": "reward"}),
        ("/projects/kitchen/snapshots", {"name": "Taken"}),
        ("/projects/kitchen/versions/policy/1/merged", {}),
        ("/projects/kitchen/imports/1/add", {"source": "a", "licence": "b", "has_consent": True}),
        ("/projects/kitchen/imports/1/columns", {"columns": {"a": "prompt"}}),
        ("/projects/kitchen/imports/1/undo", {}),
    ):
        assert api.post(path, content).status_code == 403
    assert not project.prompts.exists()


def test_revoked_expired_and_orphaned_tokens_open_nothing(
    project: Project, owner: User, admin: User
) -> None:
    expired, revoked, left, gone = Api(owner), Api(owner), Api(admin), Api(admin)
    ApiToken.objects.filter(pk=expired.token.pk).update(expires_at=timezone.now())
    revoked.token.delete()
    assert left.get("/projects/kitchen/prompts").status_code == 200
    remove_member(project.memberships.get(user=admin))
    assert left.get("/projects/kitchen/prompts").status_code == 404
    User.objects.filter(pk=admin.pk).update(is_active=False)
    assert [api.get("/projects").status_code for api in (expired, revoked, gone)] == [401] * 3


def test_only_the_hash_of_a_secret_is_stored(owner: User) -> None:
    api = Api(owner)
    stored = ApiToken.objects.values().get(pk=api.token.pk)
    assert api.secret not in map(str, stored.values())


def test_when_a_token_was_used_last_is_known(owner: User) -> None:
    api = Api(owner)
    api.get("/projects")
    api.token.refresh_from_db()
    assert api.token.last_used_at is not None
    assert timezone.now() - api.token.last_used_at < timedelta(minutes=1)


def test_too_many_requests_are_told_when_to_try_again(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "A_MINUTE", 2)
    api = Api(owner)
    codes = [api.get("/projects") for _ in range(3)]
    if codes[-1].status_code == 200:  # the minute turned meanwhile
        codes = [api.get("/projects") for _ in range(3)]
    assert codes[-1].status_code == 429
    assert 0 < int(codes[-1]["Retry-After"]) <= 60


def test_prompts_are_added_all_or_none_and_paged(project: Project, owner: User) -> None:
    api = Api(owner)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    bad = {"prompts": [{"prompt": "Fine?"}, {"prompt": turns}]}
    refused = api.post("/projects/kitchen/prompts", bad)
    assert refused.status_code == 422
    assert "prompts[1]" in refused.json()["detail"]
    assert not project.prompts.exists()
    good = {"prompts": [{"prompt": f"Question {number}?"} for number in range(5)]}
    assert api.post("/projects/kitchen/prompts", good).json() == {"added": 5, "known": 0}
    assert api.post("/projects/kitchen/prompts", good).json() == {"added": 0, "known": 5}
    found, after = [], 0
    while after is not None:
        page = api.get("/projects/kitchen/prompts", limit=2, after=after).json()
        found += [each["messages"][0]["content"] for each in page["items"]]
        after = page["next"]
    assert found == [f"Question {number}?" for number in range(5)]


def test_prompts_have_tags_and_are_found_by_one(project: Project, owner: User) -> None:
    api = Api(owner)
    sent = [{"prompt": "One?", "tags": ["Easy", "客服"]}, {"prompt": "Two?"}]
    assert api.post("/projects/kitchen/prompts", {"prompts": sent}).json()["added"] == 2
    [found] = api.get("/projects/kitchen/prompts", tag="easy").json()["items"]
    assert found["tags"] == ["easy", "客服"]
    long = {"prompts": [{"prompt": "Three?", "tags": ["a" * 51]}]}
    assert api.post("/projects/kitchen/prompts", long).status_code == 422


def test_a_prompt_sent_twice_in_a_request_has_all_its_tags_and_a_known_one_keeps_its_own(
    project: Project, owner: User
) -> None:
    for tags in ([["b"], ["a"], []], [["c"]]):
        sent = [{"prompt": "One?", "tags": each} for each in tags]
        assert Api(owner).post("/projects/kitchen/prompts", {"prompts": sent}).status_code == 200
    assert project.prompts.get().tags == ["a", "b"]


def test_answers_of_another_program_are_ranked_and_read_back(
    project: Project, owner: User, labeler: User
) -> None:
    api = Api(owner)
    made = api.post("/projects/kitchen/groups", EGG)
    again = api.post("/projects/kitchen/groups", EGG)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json()["id"] == again.json()["id"]
    address = f"/projects/kitchen/groups/{made.json()['id']}"
    assert api.get(address).json()["group"] == {}
    rank(project, labeler, {0: 2, 1: 1})
    row = api.get(address).json()["group"]
    assert row["answers"] == ["So.", "Thus."]
    assert row["sources"][1]["author"] == "m"
    assert row["rankings"][0]["ranks"] == [2, 1]
    assert labeler.username not in str(row["rankings"][0]["labeler"]).removeprefix("labeler-")


@pytest.mark.parametrize(
    "content",
    [
        {**EGG, "answers": [{"text": "Same."}, {"text": "Same."}]},
        {**EGG, "answers": [{"text": "One."}]},
        {**EGG, "prompt": " "},
        {**EGG, "prompt": "a\x00b"},
        {**EGG, "lang": "a\x00b"},
        {**EGG, "answers": [{"text": "So.", "author": "\ud800"}, {"text": "Thus."}]},
        {**EGG, "answers": [{"text": "So.\ud800"}, {"text": "Thus."}]},
        {"prompt": "So?"},
        [],
    ],
)
def test_what_cannot_be_ranked_is_refused_with_a_problem(
    project: Project, owner: User, content: Any
) -> None:
    response = Api(owner).post("/projects/kitchen/groups", content)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["detail"]
    assert not project.groups.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"prompt": ' + b"9" * 5000])
def test_a_body_that_is_no_json_is_refused_with_a_problem(
    project: Project, owner: User, body: bytes
) -> None:
    response = Api(owner).post("/projects/kitchen/groups", body)
    assert response.status_code in (400, 422)
    assert response["Content-Type"] == "application/problem+json"


def test_ranked_groups_are_read_page_by_page(project: Project, owner: User, labeler: User) -> None:
    for number in range(3):
        ready_group(project, f"Question {number}?")
        rank(project, labeler)
    api = Api(owner)
    first = api.get("/projects/kitchen/groups", limit=2).json()
    second = api.get("/projects/kitchen/groups", limit=2, after=first["next"]).json()
    assert [len(first["items"]), len(second["items"]), second["next"]] == [2, 1, None]
    names = {row["rankings"][0]["labeler"] for row in first["items"] + second["items"]}
    assert len(names) == 1


@pytest.mark.django_db(transaction=True)
def test_an_export_is_asked_for_awaited_and_fetched(
    project: Project, owner: User, labeler: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    api = Api(owner)
    made = api.post("/projects/kitchen/exports", {"format": "trl_preference"})
    assert (made.status_code, made.json()["link"]) == (202, None)
    address = f"/projects/kitchen/exports/{made.json()['id']}"
    assert api.get(f"{address}/file").status_code == 409
    assert write_next_export()
    done = api.get(address).json()
    assert (done["status"], done["rows"]) == ("done", 3)
    assert b"".join(api.get(f"{address}/file")).count(b"\n") == 3
    assert Client().get(done["link"]).status_code == 200
    assert api.post("/projects/kitchen/exports", {"format": "?"}).status_code == 422


def test_runs_are_started_or_refused_with_the_reason(project: Project, owner: User) -> None:
    api = Api(owner)
    refused = api.post("/projects/kitchen/runs", {"kind": "reward"})
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        "There are no rankings to learn from yet.",
    )
    assert api.post("/projects/kitchen/runs", {"kind": "?"}).status_code == 422
    assert api.get("/projects/kitchen/runs").json() == {"items": [], "next": None}


def test_every_list_is_read_page_by_page(project: Project, owner: User) -> None:
    api = Api(owner)
    create_project(Project(name="Garden", slug="garden"), owner)
    for number in (1, 2):
        serving_reward_model(project, number=number, status="candidate", snapshot=snapshot(project))
        ask_for_export(project, owner, FORMATS["groups"], Wanted())
        new_run(project, status=TrainingRun.Status.FAILED)
    runs, made = (
        list(of.order_by("pk").values_list("pk")) for of in (project.runs, project.exports)
    )
    kitchen = "/projects/kitchen"
    assert paged(api, "/projects", "slug") == [("kitchen",), ("garden",)]
    assert paged(api, f"{kitchen}/versions", "kind", "number") == [
        ("policy", 0),
        ("reward", 1),
        ("reward", 2),
    ]
    assert paged(api, f"{kitchen}/runs", "id") == runs
    assert paged(api, f"{kitchen}/exports", "id") == made


def test_a_run_is_asked_for_until_it_ends(project: Project, owner: User) -> None:
    run = new_run(project)
    address = f"/projects/kitchen/runs/{run.pk}"
    found = Api(owner, "read").get(address)
    assert (found.status_code, found.json()["status"]) == (200, "queued")
    assert Api(owner).get(f"/projects/kitchen/runs/{run.pk + 1}").status_code == 404


def test_a_version_is_named_and_told_with_its_name(project: Project, owner: User) -> None:
    api, path = Api(owner), "/projects/kitchen/versions"
    named = api.post(f"{path}/policy/0/label", {"label": " best for\nsupport "})
    assert (named.status_code, named.json()["label"]) == (200, "best for support")
    assert [each["label"] for each in api.get(path).json()["items"]] == ["best for support"]
    assert api.post(f"{path}/policy/0/label", {"label": ""}).json()["label"] == ""


@pytest.mark.parametrize(
    ("path", "label", "status"),
    [
        ("policy/0", "x" * 41, 422),
        ("policy/0", "a\0b", 422),
        ("policy/7", "x", 404),
        ("reward/0", "x", 404),
        ("judge/0", "x", 422),
    ],
)
def test_what_cannot_be_a_version_s_name_is_refused(
    project: Project, owner: User, path: str, label: str, status: int
) -> None:
    response = Api(owner).post(f"/projects/kitchen/versions/{path}/label", {"label": label})
    assert response.status_code == status


def test_a_reading_token_names_no_version(project: Project, owner: User) -> None:
    path = "/projects/kitchen/versions/policy/0/label"
    assert Api(owner, "read").post(path, {"label": "x"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("get", "/nowhere", 404), ("delete", "/projects", 405), ("get", "/projects/a/b/c/d", 404)],
)
def test_what_is_no_path_of_the_api_is_a_problem_too(
    owner: User, method: str, path: str, status: int
) -> None:
    headers = {"authorization": f"Bearer {Api(owner).secret}"}
    response = getattr(Client(), method)(ROOT + path, headers=headers)
    assert response.status_code == response.json()["status"] == status
    assert response["Content-Type"] == "application/problem+json"


def test_the_description_names_every_path_and_needs_a_login(as_: As, owner: User) -> None:
    assert Client().get("/api/openapi.json").status_code == 302
    found = as_(owner).get("/api/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    assert "/api/v1/projects/{slug}/groups" in found["paths"]
    assert as_(owner).get("/api/docs/").status_code == 200
    assert as_(owner).get("/api/docs/swagger-ui-bundle.js").status_code == 200
    assert as_(owner).get("/api/docs/redoc.standalone.js").status_code == 404
    assert Client().get("/api/docs/swagger-ui-bundle.js").status_code == 302


def test_a_token_is_shown_once_and_revoked(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    made = browser.post("/tokens/", {"name": "script", "scope": "read", "days": 30})
    secret = made.context["secret"]
    assert secret in made.content.decode()
    assert secret not in browser.get("/tokens/").content.decode()
    token = owner.tokens.get()
    assert 29 <= (token.expires_at - timezone.now()).days <= 30
    browser.post(f"/tokens/{token.pk}/revoke/")
    assert not owner.tokens.exists()


def test_nobody_revokes_anothers_token(as_: As, owner: User, stranger: User) -> None:
    token = Api(owner).token
    assert as_(stranger).post(f"/tokens/{token.pk}/revoke/").status_code == 404
    assert owner.tokens.exists()


def test_a_token_is_made_for_projects_that_one_runs(
    as_: As, project: Project, labeler: User
) -> None:
    data = {"name": "script", "scope": "read", "days": 30, "project": project.pk}
    assert as_(labeler).post("/tokens/", data).context["form"].errors
    ask(project, "So?")
    assert not ApiToken.objects.exists()
