"""Generation for people comes before the queue's, and holds nothing up for long."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from annotation.models import Project, PromptGroup
from annotation.services import asking
from annotation.services.generation import answer_pending_groups
from annotation.services.groups import top_up
from annotation.services.looking import answer_lookers
from annotation.services.playground import Exchange, write
from tests.people import ask as add_questions
from tests.people import champion

PATIENCE = 20.0


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    """Where a page's requests wait while the test is the worker."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


@pytest.fixture
def asked(project: Project, tiny_model: Path) -> Exchange:
    project.policyversions.update(base_model=str(tiny_model))
    how: dict[str, Any] = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": 100}
    # No other test asks the same, and the first tokens of this seed do not end it.
    return Exchange(
        name=f"{time.time()}",
        versions=[champion(project)],
        messages=[{"role": "user", "content": "Hi"}],
        system_prompt="",
        sampling=how,
        seed=11,
    )


def whole_answer(exchange: Exchange) -> dict[str, Any]:
    said: dict[str, Any] = {"tokens": [], "proof": ""}
    while "record" not in said:
        found = write(exchange, 0, said["tokens"], said["proof"], PATIENCE)
        assert found is not None, "not within the patience"
        said = found
    return said


def test_an_answer_is_written_to_its_end_while_the_queue_is_filled(
    project: Project, asked: Exchange, elsewhere: ThreadPoolExecutor
) -> None:
    project.max_new_tokens = 60
    project.save()
    add_questions(project, *"abcd")
    top_up(project)
    written = elsewhere.submit(whole_answer, asked)
    time.sleep(0.3)  # it is asked before the batch begins
    answer_pending_groups(project.pk, 4)
    waiting = project.groups.filter(status=PromptGroup.Status.READY).count()
    while not written.done():  # what the batch left of it
        answer_lookers()
    assert written.result()["finish_reason"] in ("stop", "length")
    assert waiting == 4


def test_whoever_stops_asking_stops_the_worker(
    asked: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[int] = []

    def counted(question: dict[str, Any], warm: Any) -> dict[str, Any]:
        tokens = [*question["tokens"], 5]
        moments.append(len(tokens))
        return {"tokens": tokens, "text": "", "finish_reason": ""}

    monkeypatch.setattr("annotation.lm.asked.answer", counted)
    assert write(asked, 0, [], "", 0.01) is None
    for _ in range(5):
        answer_lookers()
    assert moments == list(range(1, asking.AHEAD + 2))


def test_a_training_that_waits_gets_its_turn_while_people_go_on_asking(asked: Exchange) -> None:
    """However much is asked, the task of the worker ends within its turn."""
    for number in range(12):
        other = Exchange(**{**vars(asked), "name": f"{asked.name} {number}"})
        assert write(other, 0, [], "", 0.01) is None
    began = time.monotonic()
    answer_lookers()
    assert time.monotonic() - began < asking.TURN + 1
