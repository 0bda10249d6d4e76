"""A database from before verdicts had codes keeps every row, and says what it said."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import DjangoDbBlocker

from rewardmodel.learning.core.gate import from_json, word
from tests.earlier import database_of_its_own

BEFORE = [("annotation", "0010_assignment"), ("rewardmodel", "0003_run_kinds")]
AFTER = [("annotation", "0011_gate_reasons"), ("rewardmodel", "0004_verdicts")]
BASE_MODEL = "The base model serves until a version that was taught beats it."
STOPPED = "stopped after 3 steps at a divergence of 30.1 nats"
SENTENCES = [
    "No held-out pair to judge by: rank more prompts.",
    "Held-out log loss 0.550 over 40 pairs is below chance (0.693); accuracy 0.78.",
    "Held-out log loss 0.700 over 7 pairs is not below chance (0.693); accuracy 0.50.",
    "No held-out prompt to judge by: add prompts.",
    "Held-out reward went from -1.197 to 0.763 at a divergence of 5.5 nats, within the budget of "
    "10.",
    "Held-out reward went from 0.100 to 0.763 at a divergence of 25.5 nats, over the budget of "
    "2.5.",
    "Held-out reward went from 0.100 to 0.050 at a divergence of 3.0 nats: no gain.",
    f"Held-out reward went from 0.100 to 0.050 at a divergence of 3.0 nats: no gain. Training "
    f"{STOPPED}.",
    "Held-out reward went from 0.100 to 0.200 at a divergence of 3.0 nats, within the budget of "
    "1e+06. Training stopped after 6 steps: training reward rose from 0.000 to 0.800 since step 0 "
    "while held-out reward fell from 0.425 to -0.075.",
    "Held-out reward went from 0.100 to 0.200 at a divergence of 3.0 nats, within the budget of "
    "10. Training stopped after 6 steps: training reward rose from 0.000 to 0.800 since step 0 "
    "while the share of held-out answers that end fell from 0.875 to 0.250.",
    "A report of best-of-n: nothing was trained.",
    "No held-out text to judge by: add text.",
    "Held-out loss went from 3.125 to 3.250 nats a token: no gain.",
    "Held-out loss went from 3.125 to 2.250 nats a token.",
    "No unigram entropy to judge by.",
    "Held-out loss 2.000 is below 3.000, the unigram entropy of the same tokens (nats a token).",
    "Held-out loss 4.000 is not below 3.000, the unigram entropy of the same tokens (nats a "
    "token).",
    "Another policy was made champion while this one was trained.",
    "Out of memory: lower tokens_per_batch, or use a smaller model.",
    "The training process died 3 times at the same place. Its last words: one {two}\nthree.",
    "The worker died as often as this run was tried.",
]
FREE_TEXTS = [
    "The loss is not finite at step 3: lower learning_rate.",
    "Held-out loss went from nan to inf nats a token: no gain.",
    "The mean reward fell. Training stopped after lunch.",
]


def apps_at(targets: list[tuple[str, str]]) -> Any:
    """The models as they are after those migrations, which the database is taken to."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


def fill(apps: Any) -> None:
    """A version and a run for each sentence and free text, and one of each without any."""
    project = apps.get_model("annotation", "Project").objects.create(name="Old", slug="old")
    snapshot = apps.get_model("annotation", "Snapshot").objects.create(
        project=project, kind="groups", sha256="0" * 64, path="p", rows=1
    )
    policies = apps.get_model("annotation", "PolicyVersion").objects
    base = policies.create(project=project, number=0, base_model="b", gate_reason=BASE_MODEL)
    for number, text in enumerate([*SENTENCES, *FREE_TEXTS, ""], start=1):
        policies.create(
            project=project,
            number=number,
            base_model="b",
            gate_reason=text,
            metrics={"stopped": STOPPED if number == 1 else None, "steps": 3},
        )
        apps.get_model("rewardmodel", "RewardModelVersion").objects.create(
            project=project, number=number, base_model="b", gate_reason=text, snapshot=snapshot
        )
        apps.get_model("rewardmodel", "TrainingRun").objects.create(
            key=uuid.uuid4(),
            project=project,
            kind="policy",
            status="succeeded",
            snapshot=snapshot,
            policy=base,
            reason=text,
            metrics={"stopped": text} if number == len(SENTENCES) + 1 else {},
        )


def reasons(apps: Any, app: str, model: str, field: str) -> list[Any]:
    rows = apps.get_model(app, model).objects.order_by("pk")
    return list(rows.values_list(field, flat=True))


@pytest.fixture(scope="module")
def after(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """The models with verdicts, of a database that was filled before."""
    with django_db_blocker.unblock(), database_of_its_own(tmp_path_factory.mktemp("earlier")):
        fill(apps_at(BEFORE))
        yield apps_at(AFTER)


FIELDS = [
    ("annotation", "PolicyVersion", "gate_reason"),
    ("rewardmodel", "RewardModelVersion", "gate_reason"),
    ("rewardmodel", "TrainingRun", "reason"),
]


def test_every_sentence_becomes_a_verdict_that_says_the_same(after: Any) -> None:
    for where in FIELDS:
        stored = [reason for reason in reasons(after, *where) if isinstance(reason, dict)]
        assert [word(from_json(reason)) for reason in stored] == SENTENCES


def test_any_other_sentence_is_kept_as_it_is(after: Any) -> None:
    for where in FIELDS:
        assert [r for r in reasons(after, *where) if isinstance(r, str)] == FREE_TEXTS


def test_every_row_is_kept_and_those_without_a_word_have_none(after: Any) -> None:
    rows = len(SENTENCES) + len(FREE_TEXTS) + 1
    policies, reward_models, runs = (reasons(after, *where) for where in FIELDS)
    assert (len(policies), len(reward_models), len(runs)) == (rows + 1, rows, rows)
    assert policies[0] is policies[-1] is reward_models[-1] is runs[-1] is None


def test_values_are_numbers(after: Any) -> None:
    [stopped] = [
        reason
        for reason in reasons(after, "rewardmodel", "TrainingRun", "reason")
        if isinstance(reason, dict) and reason["code"] == "policy_no_gain"
        if "stopped" in reason["values"]
    ]
    assert stopped["values"] == {
        "before": 0.1,
        "after": 0.05,
        "divergence": 3.0,
        "stopped": {"code": "stopped_by_budget", "values": {"steps": 3, "divergence": 30.1}},
    }


def test_why_a_training_stopped_early_is_a_verdict_among_its_metrics(after: Any) -> None:
    found = reasons(after, "annotation", "PolicyVersion", "metrics")
    assert found[1]["stopped"] == {
        "code": "stopped_by_budget",
        "values": {"steps": 3, "divergence": 30.1},
        "reason": STOPPED,
    }
    assert found[2] == {"stopped": None, "steps": 3}
    runs = reasons(after, "rewardmodel", "TrainingRun", "metrics")
    assert {"stopped": FREE_TEXTS[0]} in runs


def test_going_back_finds_the_sentences_again(after: Any) -> None:
    back = apps_at(BEFORE)
    policies, reward_models, runs = (reasons(back, *where) for where in FIELDS)
    assert policies[1:] == reward_models == runs == [*SENTENCES, *FREE_TEXTS, ""]
    assert reasons(back, "annotation", "PolicyVersion", "metrics")[1]["stopped"] == STOPPED
