"""What the page about the word chain asks is checked, and why there is no answer yet is said."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from django.core.cache import cache
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from annotation.lm.chat import Chat
from annotation.lm.warm import warm_policy
from annotation.models import PolicyVersion, Project, Snapshot, User
from annotation.services import asking
from annotation.services.looking import answer_lookers
from config import parts
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.models import TrainingRun
from rewardmodel.services import text_scores
from rewardmodel.views import worker
from tests.pages.conftest import As
from tests.people import champion, serving_reward_model

STEP = {
    **{"way": "step", "prompt": "Hi", "is_chat": "on", "versions": "0", "tokens": ""},
    **{"temperature": "1", "top_k": "0", "top_p": "1", "seed": "1"},
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PATIENCE", 0.05)
    monkeypatch.setattr(worker, "IMPATIENCE", 0.05)


@pytest.fixture
def asked(as_: As, project: Project, admin: User) -> Any:
    """Asks as an admin's page does, with a few fields of its own."""
    browser = as_(admin)
    own = {"seed": str(random.randrange(2**31))}  # no other test asks the same

    def ask(**fields: str) -> HttpResponse:
        path = reverse("word_chain_ask", args=[project.slug])
        return browser.post(path, STEP | own | fields, headers={"Accept": "application/json"})  # type: ignore[return-value]

    return ask


def test_an_answer_comes_through_the_worker(
    asked: Any, project: Project, tiny_model: Path, django_assert_max_num_queries: Any
) -> None:
    project.policyversions.update(base_model=str(tiny_model))
    assert "waiting" in asked().json()
    answer_lookers()
    with django_assert_max_num_queries(8):
        [look] = asked().json()["looks"]
    assert len(look["bars"]) == 20


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prompt": ""}, "Write a prompt first."),
        ({"versions": "7"}, "There is no such version any more: reload the page."),
        ({"versions": "0,0,0,0"}, "There is no such version any more: reload the page."),
        ({"tokens": "1,x"}, "These are no numbers."),
        ({"tokens": "-1"}, "These are no numbers."),
        ({"tokens": "9" * 40}, "These are no numbers."),
        ({"tokens": ",".join(["1"] * 2001)}, "The text is longer than 2000 tokens."),
        ({"temperature": "-1"}, "temperature: Ensure this value is greater than or equal to 0."),
        ({"temperature": "nan"}, "temperature: Enter a number."),
        ({"top_p": "0"}, "top p: Ensure this value is greater than or equal to 0.001."),
        ({"way": "sweep", "tokens": "1,2", "settled": "2"}, "There is nothing left to guess."),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    asked: Any, fields: dict[str, str], sentence: str
) -> None:
    response = asked(**fields)
    assert response.status_code == 409
    assert response.json() == {"problem": sentence}


def test_versions_of_other_projects_are_not_there(asked: Any, owner: User) -> None:
    other = Project.objects.create(name="Other", slug="other")
    PolicyVersion.objects.create(project=other, number=5, base_model="x")
    assert asked(versions="5").status_code == 409


def test_what_the_model_cannot_do_is_said(asked: Any, project: Project) -> None:
    project.policyversions.update(base_model="/nowhere/model")
    asked()
    answer_lookers()
    assert asked().json() == {"problem": "There is no model folder at /nowhere/model."}


def test_without_a_worker_the_page_says_so(asked: Any) -> None:
    cache.clear()  # of what other tests said of one
    assert "does not run" in asked().json()["waiting"]


@pytest.mark.parametrize(
    ("phase", "step", "sentence"),
    [
        ("loading", 0, "A training has the worker to itself. It answers again when that has"),
        ("training", 30, "A training has the worker to itself, for about 7 more minutes."),
    ],
)
def test_while_a_training_runs_the_page_says_for_how_long(
    asked: Any, project: Project, phase: str, step: int, sentence: str
) -> None:
    parts.say_alive("accelerator")
    now = timezone.now()
    run = TrainingRun.objects.create(
        project=project,
        kind="reward",
        status="running",
        snapshot=snapshot_of(project),
        policy=champion(project),
        phase=phase,
        step=step,
        total_steps=100,
        heartbeat_at=now,
        started_at=now - timedelta(minutes=3),
    )
    report(run, phase, step)
    said = asked().json()
    assert said["waiting"].startswith(sentence)
    assert said["again"] > 0


def report(run: TrainingRun, phase: str, done: int) -> None:
    """Steps of six seconds each so far."""
    now = timezone.now().timestamp()
    run.folder.mkdir(parents=True)
    lines = [
        {"time": now - 6 * (done - step), "phase": phase, "step": step, "total": 100}
        for step in range(done + 1)
    ]
    (run.folder / "progress.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def snapshot_of(project: Project) -> Snapshot:
    return Snapshot.objects.create(project=project, kind="groups", sha256="0" * 64, rows=1)


def test_a_worker_that_is_busy_is_waited_for(asked: Any) -> None:
    parts.say_alive("accelerator")
    assert "One moment" in asked().json()["waiting"]


def test_without_redis_the_page_says_so(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_given: object, **_named: object) -> None:
        raise asking.AWAY[0]

    monkeypatch.setattr("annotation.services.word_chain.ask", away)
    assert "Redis does not answer" in asked().json()["waiting"]


def test_the_score_is_the_serving_reward_model_s_on_the_base_that_is_loaded(
    asked: Any, project: Project, tiny_model: Path, tiny_adapter: Path, tiny_reward_model: Path
) -> None:
    project.policyversions.update(base_model=str(tiny_model))
    assert asked(way="score", tokens="70,71").json() == {"score": None}
    PolicyVersion.objects.create(
        project=project, number=1, base_model=str(tiny_model), path=str(tiny_adapter)
    )
    serving_reward_model(project, base_model=str(tiny_model), path=str(tiny_reward_model))
    asked(versions="1")
    answer_lookers()  # the base has adapters now
    asked(way="score", versions="1", tokens="70,71")
    text_scores.answer_askers()
    found = asked(way="score", versions="1", tokens="70,71").json()["score"]
    alone = RewardScorer(str(tiny_reward_model), torch.device("cpu"))
    text = Chat(alone.chat.tokenizer).answer_text([70, 71])
    [[expected]] = alone.scores([([{"role": "user", "content": "Hi"}], [text])], 512)
    assert found == pytest.approx(float(expected), abs=1e-4)
    base = warm_policy.look_into(str(tiny_model))
    assert base.beside[str(tiny_reward_model)].reads_base


def test_the_page_lists_every_version_with_few_queries(
    as_: As, project: Project, admin: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    path, browser = reverse("word_chain", args=[project.slug]), as_(admin)
    with django_assert_num_queries(5):
        browser.get(path)
    for number in range(1, 6):
        PolicyVersion.objects.create(project=project, number=number, base_model="x")
    with django_assert_num_queries(5):
        html = browser.get(path).content.decode()
    assert "Policy 5" in html
