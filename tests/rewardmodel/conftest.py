"""A project that teaches the tiny model, one that was ranked, and a worker that does the work."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from annotation.judgment.judgment import Judgment
from annotation.models import PolicyVersion, Project, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from rewardmodel.rehearsal.labelers import rank_everything
from tests.people import answer_everything, ask, champion
from tests.rewardmodel.teachers import likes_later_letters
from tests.worker import Worker


@pytest.fixture
def taught(project: Project, tiny_model: Path) -> Project:
    """Forty groups of six short answers, from which a reward model learns within seconds."""
    project.policyversions.update(base_model=str(tiny_model))
    project.answers_per_group, project.queue_target = 6, 40
    project.max_new_tokens, project.heldout_percent = 12, 25
    project.training_threshold, project.kl_budget = 40, 1000.0
    project.reward_settings = {"seed": 0}
    project.policy_settings = {
        "steps": 10,
        "learning_rate": 0.02,
        "heldout_answers": 16,
        "missing_end_penalty": 0.0,
        "beta": 0.0,
        "seed": 0,
    }
    project.save()
    ask(project, *(f"What is {number} times two?" for number in range(44)))
    return project


@pytest.fixture
def ranked(project: Project, labeler: User) -> Project:
    """The project after four rankings."""
    ask(project, *"abcd")
    answer_everything(project)
    while (assignment := take_assignment(project, labeler)) is not None:
        assert assignment.token is not None
        submit_ranking(
            labeler, Judgment({p: p + 1 for p in assignment.shown_order}), token=assignment.token
        )
    return project


@pytest.fixture
def candidate(project: Project) -> PolicyVersion:
    """A second version, and twelve held-out prompts."""
    ask(project, *(f"Question {number}?" for number in range(12)))
    project.prompts.update(split="heldout")
    return PolicyVersion.objects.create(
        project=project, number=1, parent=champion(project), base_model="b", path="p"
    )


def rank_groups(project: Project, labeler: User, count: int) -> None:
    """So many groups of the taught project are answered and ranked."""
    project.queue_target = count
    project.save()
    answer_everything(project)
    rank_everything(project, [labeler], likes_later_letters, 0.0, random.Random(0))


@pytest.fixture
def learnable(taught: Project, labeler: User) -> Project:
    """The taught project, ranked; its reward model takes some seconds and many checkpoints."""
    answer_everything(taught)
    rank_everything(taught, [labeler], likes_later_letters, 0.0, random.Random(0))
    taught.reward_settings |= {
        **{"method": "finetune", "full": True, "learning_rate": 0.003},
        **{"minimum_steps": 100, "checkpoint_every": 5},
    }
    return taught


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    running = Worker(tmp_path / "worker.log")
    running.start()
    yield running
    running.kill()
