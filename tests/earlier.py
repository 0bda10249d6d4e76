"""A database of an earlier version, with a row of every model and a value in every field."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.models import Model

VERSION = {"annotation": "0009_writing", "rewardmodel": "0003_run_kinds"}
"""The migrations with which it was made."""

WHEN = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@contextmanager
def database_of_its_own(folder: Path) -> Iterator[None]:
    """An empty one in place of the tests', so that no migration need go backwards through all."""
    of_tests = connections["default"]
    own = of_tests.copy()
    name = f"{of_tests.settings_dict['NAME']}_earlier"
    if of_tests.vendor == "sqlite":
        name = str(folder / "earlier.sqlite3")
    else:
        with of_tests.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')  # of a run that was killed
            cursor.execute(f'CREATE DATABASE "{name}"')
    own.settings_dict["NAME"] = name
    connections["default"] = own
    try:
        yield
    finally:
        own.close()
        connections["default"] = of_tests
        ContentType.objects.clear_cache()
        if of_tests.vendor != "sqlite":
            with of_tests.cursor() as cursor:
                cursor.execute(f'DROP DATABASE "{name}"')


class Database:
    """`apps` are the models as those migrations left them."""

    def __init__(self, apps: Any) -> None:
        self.apps = apps

    def add(self, model: str, **values: Any) -> Any:
        return self.apps.get_model(model).objects.create(**values)

    def fill(self) -> None:
        self._add_project()
        self._add_group()
        self._add_judgments()
        self._add_desk()
        self._add_learning()

    def _add_project(self) -> None:
        self.owner = self.add(
            "annotation.User",
            username="mei",
            password="hashed",
            first_name="Mei",
            last_name="Li",
            email="mei@example.org",
            is_staff=True,
            is_superuser=True,
            last_login=WHEN,
        )
        self.labeler = self.add("annotation.User", username="ann", is_active=False)
        self.project = self.add(
            "annotation.Project",
            name="Kitchen",
            slug="kitchen",
            guidelines="# Be kind",
            is_active=False,
            answers_per_group=3,
            overlap=2,
            queue_target=7,
            lease_minutes=11,
            mode="thumbs",
            asks_quality=True,
            answer_flags=["opinion"],
            prompt_marks=["sensitive"],
            demonstrations_wanted=2,
            policy_model="models/base",
            temperature=0.7,
            top_p=0.9,
            max_new_tokens=99,
            heldout_percent=33,
            training_is_automatic=False,
            training_threshold=44,
            kl_budget=5.5,
            reward_settings={"epochs": 2},
            policy_settings={"steps": 3},
        )
        for user, role in ((self.owner, "owner"), (self.labeler, "labeler")):
            self.add("annotation.Membership", project=self.project, user=user, role=role)

    def _add_group(self) -> None:
        self.prompt = self.add(
            "annotation.Prompt",
            project=self.project,
            messages=[{"role": "user", "content": "天为什么是蓝的？"}],
            key="a" * 64,
            language="zh",
            split="heldout",
            answers_wanted=3,
            last_policy_number=1,
        )
        self.base = self._add_version("annotation.PolicyVersion", 0, status="retired")
        self.policy = self._add_version(
            "annotation.PolicyVersion",
            1,
            parent=self.base,
            status="champion",
            samples=[{"prompt": "Why?", "before": "So.", "after": "Light scatters."}],
        )
        self.group = self.add(
            "annotation.PromptGroup",
            project=self.project,
            prompt=self.prompt,
            policy=self.policy,
            status="generating",
            answer_count=3,
            seed=2**40,
            attempts=2,
            failure_reason="Out of memory.",
            claim=uuid.UUID(int=1),
            claimed_until=WHEN,
            ready_at=WHEN,
        )
        self.answers = [
            self.add(
                "annotation.Answer",
                group=self.group,
                position=position,
                text=f"Answer {position}",
                policy=self.policy,
                sampling={"temperature": 0.7},
                seed=position,
                token_count=5,
                finish_reason="length",
            )
            for position in range(3)
        ]

    def _add_version(self, model: str, number: int, **values: Any) -> Model:
        version: Model = self.add(
            model,
            project=self.project,
            number=number,
            gate_reason="Mei read it and found it good.",
            base_model="models/base",
            path=f"runs/{number}",
            sha256="b" * 64,
            metrics={"loss": 0.5},
            provenance={"commit": "c0ffee"},
            **values,
        )
        return version

    def _add_judgments(self) -> None:
        self.add("annotation.Place", project=self.project, group=self.group, number=0)
        self.add(
            "annotation.Place",
            project=self.project,
            group=self.group,
            number=1,
            labeler=self.labeler,
            token=uuid.UUID(int=2),
            expires_at=WHEN,
            leased_at=WHEN,
            shown_order=[2, 0, 1],
            is_done=True,
        )
        ranking = self.add(
            "annotation.Ranking",
            group=self.group,
            labeler=self.labeler,
            revision=2,
            is_current=False,
            ranks=[1, 2, 2],
            shown_order=[2, 0, 1],
            comment="Short and right.",
            marks=["sensitive"],
            none_acceptable=True,
            seconds=12.5,
            idempotency_key=uuid.UUID(int=3),
            undone_at=WHEN,
        )
        self.add(
            "annotation.Rating",
            ranking=ranking,
            answer=self.answers[0],
            quality=6,
            flags=["opinion"],
            highlights=[{"start": 0, "end": 6, "label": "error", "quote": "Answer"}],
        )
        written = self.add(
            "annotation.Demonstration",
            project=self.project,
            prompt=self.prompt,
            author=self.labeler,
            text="Air scatters blue light.",
            source=self.answers[1],
            ranking=ranking,
            is_first=True,
            revision=3,
            is_current=False,
        )
        scored = {"project": self.project, "ranking": ranking}
        self.add("annotation.Triple", answer=self.answers[0], rank=2, score=-0.25, **scored)
        self.add("annotation.Triple", demonstration=written, rank=1, score=1.0, **scored)

    def _add_desk(self) -> None:
        self.add(
            "annotation.Draft",
            group=self.group,
            labeler=self.labeler,
            token=uuid.UUID(int=4),
            shown_order=[1, 0, 2],
            content={"rank_1": "2", "comment": "Half"},
        )
        self.add("annotation.Skip", group=self.group, labeler=self.owner, reason="unsure")
        self.add(
            "annotation.Flag",
            project=self.project,
            prompt=self.prompt,
            labeler=self.labeler,
            text="Two questions in one.",
            resolved_at=WHEN,
            resolved_by=self.owner,
        )
        self.add(
            "annotation.Writing",
            prompt=self.prompt,
            author=self.owner,
            text="Because",
            expires_at=WHEN,
        )

    def _add_learning(self) -> None:
        snapshot = self.add(
            "annotation.Snapshot",
            project=self.project,
            kind="demonstrations",
            path="snapshots/kitchen/1.jsonl",
            sha256="d" * 64,
            rows=5,
            rankings=4,
            last_ranking_id=3,
        )
        read = self._add_version("rewardmodel.RewardModelVersion", 1, snapshot=snapshot)
        made = self._add_version(
            "rewardmodel.RewardModelVersion", 2, snapshot=snapshot, parent=read, status="champion"
        )
        self.add(
            "rewardmodel.TrainingRun",
            project=self.project,
            key=uuid.UUID(int=5),
            kind="policy",
            status="failed",
            reason="The disk was full.",
            snapshot=snapshot,
            policy=self.base,
            reward_model=read,
            produced_policy=self.policy,
            produced_reward_model=made,
            config={"steps": 3},
            phase="training",
            step=2,
            total_steps=3,
            furthest_step=2,
            metrics={"loss": 0.25},
            attempts=1,
            supervisor=uuid.UUID(int=6),
            heartbeat_at=WHEN,
            cancel_requested_at=WHEN,
            started_by=self.owner,
            started_at=WHEN,
            finished_at=WHEN,
        )
