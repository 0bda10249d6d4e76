"""A comparison as a test has it: answered by both versions, and judged by people."""

from typing import Any

from annotation.lm.completion import Completion
from annotation.models import Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.services.comparisons import start_comparison
from annotation.services.groups import claim_groups, store_answers
from tests.annotation.desk import rank
from tests.people import champion


def begin(project: Project, candidate: PolicyVersion, **asked: Any) -> Comparison:
    """Started, and answered by both."""
    comparison = start_comparison(project, champion(project), candidate, **asked)
    answer_all(project)
    return comparison


def answer_all(project: Project) -> list[PromptGroup]:
    """As a worker would: the groups in the order in which they were answered."""
    answered = []
    while claimed := claim_groups(project.pk, limit=4):
        for group in claimed:
            text = f"Answer {group.answers.count()} of {group.pk}."
            store_answers(group, [Completion(text, (1, 2), "stop", 0)], sampling={})
        answered += claimed
    return answered


def judge(project: Project, labeler: User, *, for_second: int, for_first: int = 0) -> None:
    for ranks, times in (({0: 2, 1: 1}, for_second), ({0: 1, 1: 2}, for_first)):
        for _ in range(times):
            rank(project, labeler, ranks)
