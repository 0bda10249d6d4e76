"""The closed loop, for real: worker, training processes, and a policy that the loop trained."""

import random

import pytest

from annotation.models import Answer, Project, Ranking, Triple
from annotation.selectors.policies import champion_policy
from annotation.tasks import keep_queues_full
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.rehearsal.labelers import hire, rank_everything
from rewardmodel.tasks import tend_training
from tests.people import all_ready, ask
from tests.rewardmodel.teachers import likes_ascii
from tests.worker import Worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_loop_ends_with_an_answer_by_a_policy_that_it_trained_itself(
    taught: Project, worker: Worker
) -> None:
    taught.queue_target = 130  # so many that the gate says learned, not undecided
    taught.save()
    ask(taught, *(f"What is {number} times three?" for number in range(90)))
    keep_queues_full.delay()
    wait_for(lambda: all_ready(taught), 90)
    [labeler] = hire(taught, 1)
    rank_everything(taught, [labeler], likes_ascii, 0.0, random.Random(0))
    rankings = Ranking.objects.count()  # the queue may have been filled up meanwhile
    assert rankings >= taught.queue_target
    assert Triple.objects.count() == rankings * taught.answers_per_group

    wait_for(lambda: turned(taught), 120)
    policy, reward_model = champion_policy(taught), RewardModelVersion.objects.get()
    assert policy.parent is not None
    assert policy.parent.number == 0
    assert reward_model.status == reward_model.Status.CHAMPION
    assert policy.provenance["reward_model"] == reward_model.number
    assert policy.folder is not None
    assert (policy.folder / "adapter_model.safetensors").is_file()

    keep_queues_full.delay()
    wait_for(lambda: Answer.objects.filter(policy=policy).exists())
    assert Answer.objects.filter(policy=policy).first().group.prompt.project == taught  # type: ignore[union-attr]


def turned(project: Project) -> bool:
    """Does what beat does, until a newer policy serves; a gate that fails ends the wait."""
    tend_training()
    for run in project.runs.exclude(status__in=TrainingRun.ACTIVE):
        version = run.produced_reward_model or run.produced_policy
        assert version is not None, run.reason
        assert version.status != version.Status.CANDIDATE, run.reason
    return champion_policy(project).number > 0
