"""Questions to the worker: answered once, by whoever is free, and forgotten when nobody waits."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from annotation.models import PolicyVersion, Project, PromptGroup
from annotation.services import asking, word_chain
from annotation.services.asking import answer_waiting, ask
from annotation.services.generation import answer_pending_groups
from annotation.services.groups import top_up
from tests.people import ask as add_questions

TASK = "annotation.tasks.look_into_policies"
HOW = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1}


@pytest.fixture
def box() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Where a page's request waits while the test is the worker."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def double(question: dict[str, Any]) -> dict[str, Any]:
    return {"number": 2 * question["number"]}


def answer_soon(box: str, done: threading.Event) -> None:
    while not done.is_set():
        answer_waiting(box, double)
        time.sleep(0.01)


def test_a_question_is_answered_while_its_asker_waits(
    box: str, elsewhere: ThreadPoolExecutor
) -> None:
    done = threading.Event()
    worker = elsewhere.submit(answer_soon, box, done)
    began = time.monotonic()
    assert [ask(box, TASK, {"number": n})["number"] for n in range(5)] == [0, 2, 4, 6, 8]  # type: ignore[index]
    assert time.monotonic() - began < 1
    done.set()
    worker.result()


def test_who_asks_again_gets_the_answer_that_came_meanwhile(box: str) -> None:
    asked = []
    assert ask(box, TASK, {"number": 1}, patience=0.05) is None
    assert ask(box, TASK, {"number": 1}, patience=0.05) is None

    def once(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question)
        return double(question)

    answer_waiting(box, once)
    assert ask(box, TASK, {"number": 1}, patience=0.05) == {"number": 2}
    assert asked == [{"number": 1}]


def test_two_who_ask_the_same_both_get_the_answer(box: str, elsewhere: ThreadPoolExecutor) -> None:
    both = [elsewhere.submit(ask, box, TASK, {"number": 4}, 5.0) for _ in range(2)]
    time.sleep(0.2)
    answer_waiting(box, double)
    assert [one.result(1) for one in both] == [{"number": 8}] * 2


def test_what_nobody_waits_for_any_more_is_not_answered(
    box: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ASKED_FOR", 1)
    assert ask(box, TASK, {"number": 1}, patience=0.05) is None
    time.sleep(1.2)
    answer_waiting(box, lambda question: pytest.fail("answered"))


def one_more(question: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {"number": said["number"]}


def test_a_chain_is_answered_ahead_so_far_and_no_further_until_it_is_asked_on(
    box: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops asking stops the worker."""
    monkeypatch.setattr(asking, "AHEAD", 2)
    chain = uuid4().hex
    assert ask(box, TASK, {"number": 1}, 0.05, chain) is None
    numbers = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        numbers.append(question["number"])
        return double(question)

    for _ in range(3):
        answer_waiting(box, answer, one_more)
    assert numbers == [1, 2, 4]
    assert ask(box, TASK, {"number": 1}, 0.05, chain) == {"number": 2}  # it is asked on
    answer_waiting(box, answer, one_more)
    assert numbers == [1, 2, 4, 8]


def test_a_question_asked_again_while_it_is_being_answered_is_answered_once(box: str) -> None:
    asked: list[int] = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["number"])
        assert ask(box, TASK, question, 0.05) is None
        return double(question)

    ask(box, TASK, {"number": 1}, 0.05)
    answer_waiting(box, answer)
    assert asked == [1]


def test_those_who_ask_take_turns_with_what_else_the_worker_does(
    box: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TURN", 0.1)
    for number in range(10):
        ask(box, TASK, {"number": number}, 0.01)
    asked: list[int] = []

    def slowly(question: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.06)
        asked.append(question["number"])
        return double(question)

    answer_waiting(box, slowly)
    assert asked == [0, 1]
    answer_waiting(box, slowly)
    assert asked == [0, 1, 2, 3]


def test_a_worker_that_died_over_a_question_is_asked_again(box: str) -> None:
    def die(question: dict[str, Any]) -> dict[str, Any]:
        raise SystemExit

    assert ask(box, TASK, {"number": 1}, patience=0.05) is None
    with pytest.raises(SystemExit):
        answer_waiting(box, die)
    assert ask(box, TASK, {"number": 1}, patience=0.05) is None
    answer_waiting(box, double)
    assert ask(box, TASK, {"number": 1}, patience=0.05) == {"number": 2}


def look(project: Project, policy: PolicyVersion, tokens: list[int], patience: float) -> Any:
    return word_chain.look(
        project,
        [policy],
        prompt="Hi",
        is_chat=True,
        tokens=tokens,
        how=HOW,
        patience=patience,
    )


@pytest.mark.django_db
def test_a_worker_that_writes_answers_is_asked_between_two_steps(
    project: Project, tiny_model: Path, elsewhere: ThreadPoolExecutor
) -> None:
    project.policyversions.update(base_model=str(tiny_model))
    project.max_new_tokens = 200
    project.save()
    add_questions(project, *"abcd")
    top_up(project)
    policy = project.policyversions.get()
    looked = elsewhere.submit(look, project, policy, [], 60.0)
    time.sleep(0.3)  # it is asked before the batch begins, which alone can answer it
    answer_pending_groups(project.pk, 4)
    found = looked.result(1)
    assert found is not None
    assert len(found["looks"][0]["bars"]) == 20
    assert project.groups.filter(status=PromptGroup.Status.READY).count() == 4


@pytest.mark.django_db
def test_answers_are_the_same_whether_or_not_somebody_looks(
    project: Project, tiny_model: Path, elsewhere: ThreadPoolExecutor
) -> None:
    project.policyversions.update(base_model=str(tiny_model))
    project.max_new_tokens, project.queue_target = 60, 1
    project.save()
    add_questions(project, "a")
    top_up(project)
    policy, texts = project.policyversions.get(), []
    for is_looked_at in (False, True):
        project.groups.update(status=PromptGroup.Status.PENDING)
        group = project.groups.get()
        group.answers.all().delete()
        looks = [
            elsewhere.submit(look, project, policy, [number], 30.0)
            for number in range(2)
            if is_looked_at
        ]
        time.sleep(0.3 * is_looked_at)
        answer_pending_groups(project.pk, 1)
        assert all(looked.result(1) for looked in looks)
        texts.append(list(group.answers.values_list("text", flat=True)))
    assert texts[0] == texts[1]
