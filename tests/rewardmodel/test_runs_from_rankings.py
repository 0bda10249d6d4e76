"""Policies straight from rankings as runs of a project: started, trained for real, and promoted."""

from pathlib import Path

import pytest

from annotation.models import PolicyVersion, Project, Snapshot
from annotation.services.policies import promote
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import loop_status
from rewardmodel.services import RunRefused, start_policy_run, start_reward_run
from rewardmodel.services.outcomes import complete_run
from rewardmodel.services.supervision import supervise
from tests.people import champion
from tests.rewardmodel.runs import claimed, result

FROM_RANKINGS = {"algorithm": "dpo", "dpo_learning_rate": 0.01, "heldout_answers": 2, "epochs": 2}


@pytest.fixture
def from_rankings(ranked: Project) -> Project:
    ranked.policy_settings = FROM_RANKINGS
    ranked.save()
    return ranked


def test_without_a_reward_model_a_policy_learns_from_all_rankings(from_rankings: Project) -> None:
    assert loop_status(from_rankings).policy_has_a_teacher
    run = start_policy_run(from_rankings)
    assert (run.kind, run.snapshot.kind) == (TrainingRun.Kind.POLICY, Snapshot.Kind.GROUPS)
    assert (run.snapshot.rankings, run.snapshot.rows) == (4, 4)
    assert (run.reward_model, run.config["reward_model"]) == (None, "")


def test_the_reward_model_that_serves_judges_what_was_learned_from_rankings(
    from_rankings: Project,
) -> None:
    reward = claimed(start_reward_run(from_rankings))
    complete_run(reward, result(reward, passed=True))
    run = start_policy_run(from_rankings)
    assert run.reward_model is not None
    assert run.config["reward_model"] == str(run.reward_model.folder)
    assert run.snapshot.kind == Snapshot.Kind.GROUPS


def test_without_rankings_there_is_nothing_to_learn_from(project: Project) -> None:
    project.policy_settings = FROM_RANKINGS
    assert not loop_status(project).policy_has_a_teacher
    with pytest.raises(RunRefused, match="no rankings"):
        start_policy_run(project)


def test_settings_that_are_no_object_are_refused_in_a_sentence(ranked: Project) -> None:
    reward = claimed(start_reward_run(ranked))
    complete_run(reward, result(reward, passed=True))
    ranked.policy_settings = ["dpo"]
    with pytest.raises(RunRefused, match="JSON object"):
        start_policy_run(ranked)


@pytest.mark.django_db(transaction=True)
def test_what_learned_from_rankings_waits_as_a_candidate_until_an_admin_promotes_it(
    from_rankings: Project, tiny_model: Path
) -> None:
    base = champion(from_rankings)
    PolicyVersion.objects.filter(pk=base.pk).update(base_model=str(tiny_model))
    first = from_rankings.prompts.order_by("id")[0]
    from_rankings.prompts.update(split="train")
    from_rankings.prompts.filter(pk=first.pk).update(split="heldout")
    run = start_policy_run(from_rankings)
    supervise(run.pk)
    run.refresh_from_db()
    assert run.status == TrainingRun.Status.SUCCEEDED, run.reason
    version = run.produced_policy
    assert version is not None
    assert run.reason is not None
    assert run.reason["code"] == "policy_unjudged"
    assert (version.status, version.parent) == (version.Status.CANDIDATE, base)
    assert version.provenance["snapshot_sha256"] == run.snapshot.sha256
    assert version.folder is not None
    assert (version.folder / "adapter_model.safetensors").is_file()
    assert champion(from_rankings) == base
    promote(version)
    assert champion(from_rankings) == version
