"""What the playground asks is checked, what it keeps is stored as if it came by any other way."""

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.exchange.prompts import NewPrompt
from annotation.models import Demonstration, PolicyVersion, Project, PromptGroup, Snapshot, User
from annotation.services.assignments import take_assignment
from annotation.services.generation import answer_pending_groups
from annotation.services.groups import top_up
from annotation.services.looking import answer_lookers
from annotation.services.prompts import add_prompts, withdraw_prompts
from config import parts
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.services import text_scores
from rewardmodel.views import playground, worker
from tests.pages.conftest import As
from tests.people import ask as add_questions
from tests.people import champion, serving_reward_model

Json = dict[str, Any]
HI = [{"role": "user", "content": "Hi"}]
TURNS = [*HI, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Why?"}]
SETTINGS = {
    **{"temperature": "1", "top_k": "0", "top_p": "1", "max_new_tokens": "30"},
    **{"versions": "0", "system_prompt": "", "place": "0", "tokens": "", "proof": ""},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "MOMENT", 0.05)
    monkeypatch.setattr(worker, "PATIENCE", 0.05)
    monkeypatch.setattr(worker, "IMPATIENCE", 0.05)


@pytest.fixture
def browser(as_: As, admin: User) -> Client:
    return as_(admin)


@pytest.fixture
def asked(browser: Client, project: Project) -> Callable[..., Any]:
    """Asks as an admin's page does, with a few fields of its own."""
    path = reverse("playground_ask", args=[project.slug])

    def ask(**fields: str) -> Any:
        own = {"way": "write", "name": str(uuid4()), "seed": str(random.randrange(2**30))}
        own["messages"] = json.dumps(HI)
        return browser.post(path, SETTINGS | own | fields, headers={"Accept": "application/json"})

    return ask


@pytest.fixture
def written(asked: Any, project: Project, tiny_model: Path) -> Callable[..., Json]:
    """A finished answer, asked for moment by moment."""
    project.policyversions.filter(number=0).update(base_model=str(tiny_model))

    def write(**fields: str) -> Json:
        own = {"name": str(uuid4()), "seed": str(random.randrange(2**30)), **fields}
        said: Json = {}
        while "record" not in said:
            so_far = ",".join(map(str, said.get("tokens", [])))
            fields = {**own, "tokens": so_far, "proof": said.get("proof", "")}
            while "waiting" in (found := asked(**fields).json()):
                answer_lookers()
            assert "problem" not in found, found
            said = found
        return said

    return write


@pytest.fixture
def kept(browser: Client, project: Project) -> Callable[..., Any]:
    path = reverse("playground_keep", args=[project.slug])

    def keep(kind: str, messages: list[dict[str, str]] = HI, **fields: Any) -> Any:
        given = {"kind": kind, "messages": json.dumps(messages), **fields}
        return browser.post(path, given, headers={"Accept": "application/json"})

    return keep


@pytest.fixture
def taught(project: Project, tiny_model: Path, tiny_adapter: Path) -> PolicyVersion:
    return PolicyVersion.objects.create(
        project=project, number=1, base_model=str(tiny_model), path=str(tiny_adapter)
    )


def two(written: Any, **fields: str) -> list[Json]:
    """The answers of two versions to one question."""
    own = {"versions": "0,1", "name": str(uuid4()), "seed": "7", **fields}
    return [written(**own, place=place) for place in "01"]


def test_an_answer_comes_moment_by_moment_through_the_worker(
    asked: Any, written: Any, django_assert_max_num_queries: Any
) -> None:
    said = written()
    assert said["finish_reason"] in ("stop", "length")
    assert len(said["tokens"]) <= 30
    assert said["html"]
    with django_assert_max_num_queries(8):
        asked()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": "[]"}, "Write something first."),
        ({"messages": "5"}, "must be a text or a list of messages"),
        ({"messages": "{"}, "Enter a valid JSON."),
        ({"messages": json.dumps([{"role": "user", "content": "  "}])}, "each message needs"),
        ({"messages": json.dumps(TURNS[:2])}, "the user has the last one"),
        ({"messages": json.dumps([{"role": "user", "content": "a" * 100_001}])}, "begin a new one"),
        ({"messages": '[{"role": "user", "content": "\\ud83d"}]'}, "half a character"),
        ({"versions": "7"}, "There is no such version any more: reload the page."),
        ({"versions": "0,0"}, "Choose two different versions."),
        ({"place": "4"}, "less than or equal to 3"),
        ({"tokens": "1,x"}, "These are no numbers."),
        ({"tokens": "-1"}, "These are no numbers."),
        ({"tokens": "5,6", "proof": "0" * 64}, "This is not how the answer began"),
        ({"temperature": "nan"}, "temperature: Enter a number."),
        ({"max_new_tokens": "0"}, "longest answer in tokens: Ensure this value"),
        ({"system_prompt": "a" * 4001}, "system prompt: Ensure this value has at most 4000"),
        ({"name": "x"}, "valid UUID"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    asked: Any, fields: dict[str, str], sentence: str
) -> None:
    response = asked(**fields)
    assert response.status_code == 409
    assert sentence in response.json()["problem"]


def test_tokens_count_only_as_those_of_the_question_that_wrote_them(
    asked: Any, written: Any
) -> None:
    own = {"name": str(uuid4()), "seed": "3", "max_new_tokens": "400"}
    while "waiting" in (said := asked(**own).json()):
        answer_lookers()
    if "record" not in said:
        so_far = {"tokens": ",".join(map(str, said["tokens"])), "proof": said["proof"]}
        assert asked(**own, **so_far).status_code == 200
        assert asked(**{**own, "seed": "4"}, **so_far).status_code == 409
        assert asked(**own, **so_far, system_prompt="Lie.").status_code == 409


def test_what_the_model_cannot_do_is_said(asked: Any, project: Project) -> None:
    project.policyversions.update(base_model="/nowhere/model")
    own = {"name": str(uuid4()), "seed": "1"}
    answer_lookers()  # imports torch: on a busy machine longer than anybody waits
    asked(**own)
    answer_lookers()
    assert asked(**own).json() == {"problem": "There is no model folder at /nowhere/model."}


def test_while_a_training_runs_the_page_says_so(asked: Any, project: Project) -> None:
    parts.say_alive("accelerator")
    TrainingRun.objects.create(
        project=project,
        kind="reward",
        status="running",
        snapshot=Snapshot.objects.create(project=project, kind="groups", sha256="0" * 64, rows=1),
        policy=champion(project),
        heartbeat_at=timezone.now(),
        started_at=timezone.now() - timedelta(minutes=3),
    )
    assert asked().json()["waiting"].startswith("A training has the worker to itself.")


def test_two_versions_are_blind_until_one_asks(
    asked: Any, written: Any, taught: PolicyVersion
) -> None:
    name = str(uuid4())
    both = two(written, name=name)
    for said in both:
        shown = json.dumps({**said, "record": ""})
        assert "version" not in shown
        assert "adapter" not in shown
    order = asked(way="reveal", versions="0,1", name=name).json()["versions"]
    assert sorted(order) == [0, 1]
    orders = {
        tuple(asked(way="reveal", versions="0,1", name=str(uuid4())).json()["versions"])
        for _ in range(20)
    }
    assert orders == {(0, 1), (1, 0)}


def test_a_group_is_stored_as_any_that_was_generated(
    asked: Any,
    written: Any,
    kept: Any,
    project: Project,
    admin: User,
    labeler: User,
    taught: PolicyVersion,
) -> None:
    name = str(uuid4())
    both = two(written, name=name, messages=json.dumps(TURNS), temperature="0.9", top_k="20")
    records = [said["record"] for said in both]
    answer = kept("group", TURNS, record=records).json()
    group = PromptGroup.objects.get()
    assert answer["address"] == reverse("group", args=[project.slug, group.pk])
    assert group.prompt.messages == TURNS
    assert (group.asked_by, group.status, group.answer_count) == (admin, "ready", 2)
    order = asked(way="reveal", versions="0,1", name=name).json()["versions"]
    for stored, said, number in zip(group.answers.all(), both, order, strict=True):
        assert stored.text == said["text"]
        assert stored.policy is not None
        assert stored.policy.number == number
        assert stored.seed == 7
        assert stored.token_count == len(said["tokens"])
        assert stored.finish_reason == said["finish_reason"]
        assert stored.sampling == {
            **{"temperature": 0.9, "top_k": 20, "top_p": 1.0, "max_new_tokens": 30}
        }
    assert take_assignment(project, labeler) is not None
    again = kept("group", TURNS, record=records).json()
    assert again["said"] == "It is there already."
    assert PromptGroup.objects.count() == 1


def test_several_answers_of_one_version_have_seeds_of_their_own(
    written: Any, kept: Any, project: Project
) -> None:
    own = {"name": str(uuid4()), "seed": "5"}
    records = [written(**own, place=str(place))["record"] for place in range(3)]
    assert kept("group", record=records).status_code == 200
    stored = PromptGroup.objects.get().answers.all()
    assert [answer.seed for answer in stored] == [5, 6, 7]
    assert {answer.policy for answer in stored} == {champion(project)}


def test_what_cannot_be_ranked_is_no_group(written: Any, kept: Any) -> None:
    def refusal(*records: str) -> str:
        response = kept("group", record=records)
        assert response.status_code == 409
        return str(response.json()["problem"])

    one, other = (written(seed=seed, place=place) for seed, place in ("50", "61"))
    alike = "Answers that are alike, or empty, cannot be ranked."
    assert refusal() == alike
    assert refusal(one["record"]) == alike
    assert refusal(one["record"], one["record"]) == alike
    assert refusal(one["record"], other["record"]) == "These answers are not to the same question."
    forged = one["record"][:-1] + ("a" if one["record"][-1] != "a" else "b")
    assert refusal(one["record"], forged) == "These answers cannot be read: ask again."
    assert not PromptGroup.objects.exists()


def test_answers_of_another_project_are_not_taken(written: Any, as_: As, owner: User) -> None:
    other = Project.objects.create(name="Other", slug="other")
    other.memberships.create(user=owner, role="owner")
    own = {"name": str(uuid4()), "seed": "5"}
    records = [written(**own, place=place)["record"] for place in "01"]
    given = {"kind": "group", "messages": json.dumps(HI), "record": records}
    response = as_(owner).post(reverse("playground_keep", args=["other"]), given)
    assert response.json() == {"problem": "These answers are another project's."}


@pytest.mark.parametrize(
    ("own", "asked_with", "stored"),
    [
        ("", "", TURNS),
        ("Be brief.", "Be brief.", TURNS),  # every prompt gets it anyway
        ("Be brief.", "Be long.", [{"role": "system", "content": "Be long."}, *TURNS]),
    ],
)
def test_a_prompt_is_the_conversation_up_to_the_last_question(
    kept: Any, project: Project, own: str, asked_with: str, stored: list[dict[str, str]]
) -> None:
    Project.objects.update(system_prompt=own)
    said = kept("prompt", TURNS, system_prompt=asked_with).json()
    prompt = project.prompts.get()
    assert prompt.messages == stored
    assert said == {
        "said": "The prompt is added.",
        "address": reverse("prompt", args=[project.slug, prompt.pk]),
    }
    again = kept("prompt", TURNS, system_prompt=asked_with).json()
    assert again["said"] == "The project has this prompt already."


def test_a_prompt_that_was_withdrawn_does_not_come_back_by_itself(
    kept: Any, project: Project
) -> None:
    add_prompts(project, [NewPrompt(HI)])
    withdraw_prompts(project, [project.prompts.get().pk])
    problem = "The project has this prompt, withdrawn: put it back first."
    assert kept("prompt").json() == {"problem": problem}
    assert kept("demonstration", text="Hello.").json() == {"problem": problem}
    assert not Demonstration.objects.exists()


def test_a_demonstration_is_its_author_s(kept: Any, project: Project, admin: User) -> None:
    for text in ("Hello.", "Hello.", "Hello there."):
        assert kept("demonstration", TURNS, text=text).status_code == 200
    stored = Demonstration.objects.order_by("revision")
    assert [one.text for one in stored] == ["Hello.", "Hello there."]
    assert {one.author for one in stored} == {admin}
    assert stored[0].prompt.messages == TURNS
    assert kept("demonstration", TURNS, text=" ").json() == {"problem": "Write an answer first."}


@pytest.fixture
def judge(project: Project, tiny_model: Path, tiny_reward_model: Path) -> RewardModelVersion:
    return serving_reward_model(project, base_model=str(tiny_model), path=str(tiny_reward_model))


def of_score(said: dict[str, Any]) -> dict[str, str]:
    tokens = ",".join(map(str, said["tokens"]))
    return {"way": "score", "tokens": tokens, "seed": "1", "name": str(uuid4())}


def test_without_a_reward_model_there_is_no_score(asked: Any, written: Any) -> None:
    assert asked(**of_score(written())).json() == {"score": None}


def test_the_reward_is_the_serving_reward_model_s(
    asked: Any, written: Any, judge: RewardModelVersion
) -> None:
    fields = of_score(written())
    asked(**fields)
    text_scores.answer_askers()
    assert isinstance(asked(**fields).json()["score"], float)


def test_a_score_waits_for_no_batch_that_is_being_written(
    asked: Any, written: Any, judge: RewardModelVersion, project: Project
) -> None:
    project.max_new_tokens = 60
    project.save()
    fields = of_score(written())
    asked(**fields)
    add_questions(project, *"abcd")
    top_up(project)
    answer_pending_groups(project.pk, 1)
    assert isinstance(asked(**fields).json()["score"], float)


def test_the_page_opens_with_the_project_s_own_values_and_few_queries(
    browser: Client, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Project.objects.update(
        temperature=0.7, top_p=0.9, max_new_tokens=8000, system_prompt="Be <brief>."
    )
    for number in range(1, 6):
        PolicyVersion.objects.create(project=project, number=number, base_model="x")
    with django_assert_num_queries(5):
        html = browser.get(reverse("playground", args=[project.slug])).content.decode()
    for shown in ('value="0.7"', 'value="0.9"', 'value="2000"', "Be &lt;brief&gt;.", "Policy 5"):
        assert shown in html


def test_the_pages_of_groups_say_where_it_came_from(
    browser: Client, written: Any, kept: Any, project: Project, taught: PolicyVersion
) -> None:
    kept("group", record=[said["record"] for said in two(written)])
    group = PromptGroup.objects.get()
    page = browser.get(reverse("group", args=[project.slug, group.pk])).content.decode()
    assert "Asked in the playground by admin." in page
    assert "policy 1 ·" in page
    assert "playground" in browser.get(reverse("groups", args=[project.slug])).content.decode()
