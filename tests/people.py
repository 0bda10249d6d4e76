"""A small cast for all tests: each access rule is one line to test."""

from typing import Any

import pytest

from annotation.exchange.prompts import NewPrompt
from annotation.lm.completion import Completion
from annotation.models import Membership, PolicyVersion, Project, PromptGroup, Snapshot, User
from annotation.services import groups
from annotation.services.projects import create_project, set_member
from annotation.services.prompts import add_prompts
from rewardmodel.models import RewardModelVersion

PASSWORD = "correct horse battery"


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner", password=PASSWORD)


@pytest.fixture
def project(owner: User) -> Project:
    return create_project(
        Project(name="Kitchen", slug="kitchen", answers_per_group=3, queue_target=4), owner
    )


@pytest.fixture
def admin(project: Project) -> User:
    return member(project, "admin", Membership.Role.ADMIN)


@pytest.fixture
def labeler(project: Project) -> User:
    return member(project, "labeler", Membership.Role.LABELER)


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("stranger", password=PASSWORD)


@pytest.fixture
def neighbour(owner: User) -> User:
    """A labeler of another project."""
    return member(create_project(Project(name="Garden", slug="garden"), owner), "neighbour")


def member(project: Project, name: str, role: str = Membership.Role.LABELER) -> User:
    user = User.objects.create_user(name, password=PASSWORD)
    set_member(project, user, role)
    return user


def ask(project: Project, *questions: str) -> None:
    """Adds single-turn prompts to the project."""
    add_prompts(
        project, [NewPrompt(messages=[{"role": "user", "content": text}]) for text in questions]
    )


def ready_group(project: Project, question: str = "How do I boil an egg?") -> PromptGroup:
    """A group whose answers have come, ready to be ranked."""
    ask(project, question)
    return answer_everything(project)[-1]


def answer_everything(project: Project) -> list[PromptGroup]:
    """Answers all that the project's queue asks for, as a worker would."""
    groups.top_up(project)
    answered = []
    while claimed := groups.claim_groups(project.pk, limit=10):
        for group in claimed:
            answers = new_answers(group.answer_count)
            groups.store_answers(group, answers, sampling={"temperature": 1.0})
            answered.append(group)
    return answered


def all_ready(project: Project) -> bool:
    """Whether as many groups wait for labelers as the project wants."""
    ready = project.groups.filter(status=PromptGroup.Status.READY)
    return ready.count() == project.queue_target


def new_answers(count: int) -> list[Completion]:
    return [
        Completion(
            text=f"Answer **{number}** in full.",
            token_ids=tuple(range(6)),
            finish_reason="stop",
            seed=number,
        )
        for number in range(count)
    ]


def champion(project: Project) -> PolicyVersion:
    return project.policyversions.get(status=PolicyVersion.Status.CHAMPION)


def serving_reward_model(project: Project, **fields: Any) -> RewardModelVersion:
    """Whatever it learned from."""
    of_project = {"project": project, "number": 1, "status": "champion", "base_model": "b"}
    if "snapshot" not in fields:
        fields["snapshot"] = Snapshot.objects.create(
            project=project, kind="groups", sha256="0" * 64, rows=1
        )
    return RewardModelVersion.objects.create(**{**of_project, **fields})
