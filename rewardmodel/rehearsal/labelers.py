"""Scripted labelers, who rank through the same services as people."""

import random
from collections.abc import Sequence

from annotation.judgment.judgment import Judgment
from annotation.models import Membership, Project, User
from annotation.services.assignments import take_assignment
from annotation.services.projects import set_member
from annotation.services.rankings import submit_ranking
from rewardmodel.rehearsal.teachers import Teacher


def hire(project: Project, count: int) -> list[User]:
    """Labelers of the project who cannot log in."""
    labelers = []
    for number in range(1, count + 1):
        labeler = User.objects.create_user(f"{project.slug}-labeler-{number}")
        set_member(project, labeler, Membership.Role.LABELER)
        labelers.append(labeler)
    return labelers


def rank_everything(
    project: Project,
    labelers: Sequence[User],
    teacher: Teacher,
    noise: float,
    generator: random.Random,
    *,
    length_bias: float = 0.0,
    most: int | None = None,
) -> int:
    """The labelers take turns until all is ranked, or `most` rankings are made; how many were.

    They rank by the teacher's scores plus own Gaussian noise; equal scores tie. Every second one
    also likes long answers: `length_bias` more for each hundred characters.
    """
    rankings, working = 0, list(enumerate(labelers))
    while working and (most is None or rankings < most):
        number, labeler = working.pop(0)
        assignment = take_assignment(project, labeler)
        if assignment is None:
            continue  # and is not asked again
        working.append((number, labeler))
        prompt = assignment.group.prompt.messages
        bias = length_bias / 100 if number % 2 else 0.0
        scores = {
            answer.position: teacher(prompt, answer.text)
            + bias * len(answer.text)
            + generator.gauss(0.0, noise)
            for answer in assignment.group.answers.all()
        }
        best_first = sorted(set(scores.values()), reverse=True)
        ranks = {position: best_first.index(s) + 1 for position, s in scores.items()}
        if assignment.token is None:
            raise RuntimeError(f"{assignment} was handed out without a token")
        submit_ranking(labeler, Judgment(ranks), token=assignment.token)
        rankings += 1
    return rankings
