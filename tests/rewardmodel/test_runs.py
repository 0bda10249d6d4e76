import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from annotation.models import PolicyVersion, Project, User
from annotation.services.demonstrations import write_demonstration
from annotation.services.policies import promote
from rewardmodel.learning.core.gate import as_json
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.selectors import loop_status, new_rankings, runs_to_pick_up
from rewardmodel.services import (
    RunRefused,
    as_run_takes_it,
    request_cancel,
    start_due_run,
    start_policy_run,
    start_reward_run,
)
from rewardmodel.services.claims import beat, claim_run
from rewardmodel.services.outcomes import complete_run, fail_run, try_again
from tests.people import champion
from tests.rewardmodel.runs import BECAUSE, claimed, result, silence, updated

Status, Kind = TrainingRun.Status, TrainingRun.Kind


def test_nothing_is_trained_before_anything_was_ranked(project: Project) -> None:
    with pytest.raises(RunRefused, match="no rankings"):
        start_reward_run(project)


def test_a_policy_waits_for_a_reward_model_that_passed(ranked: Project) -> None:
    with pytest.raises(RunRefused, match="No reward model"):
        start_policy_run(ranked)


def test_what_people_wrote_is_where_a_reward_models_scale_has_its_0(
    ranked: Project, owner: User
) -> None:
    write_demonstration(ranked.prompts.order_by("id")[0], owner, "In boiling water.")
    run = start_reward_run(ranked)
    [row] = Path(run.config["demonstrations"]).read_text().splitlines()
    assert json.loads(row)["messages"][-1]["content"] == "In boiling water."


def test_two_runs_at_once_are_refused_with_the_one_that_is_active(ranked: Project) -> None:
    run = start_reward_run(ranked)
    with pytest.raises(RunRefused, match=f"Run {run.pk} .*cancel it"):
        start_reward_run(ranked)


def test_the_database_itself_allows_one_active_run_a_project(ranked: Project) -> None:
    run = start_reward_run(ranked)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.create(
            project=ranked, kind=Kind.REWARD, snapshot=run.snapshot, policy=run.policy
        )


def test_a_run_is_enqueued_only_after_commit(
    ranked: Project, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        start_reward_run(ranked)
    assert len(callbacks) == 1


def test_settings_that_do_not_fit_are_refused_with_their_name(ranked: Project) -> None:
    ranked.reward_settings = {"lerning_rate": 1e-4}
    with pytest.raises(RunRefused, match="lerning_rate"):
        start_reward_run(ranked)
    with pytest.raises(ValueError, match="output"):
        as_run_takes_it(ranked, Kind.REWARD, {"output": "/etc"})
    with pytest.raises(ValueError, match="steps"):
        as_run_takes_it(ranked, Kind.POLICY, {"steps": "many"})


def test_enough_new_rankings_make_a_run_due_and_once_only(ranked: Project) -> None:
    ranked.training_threshold = 5
    assert start_due_run(ranked) is None
    ranked.training_threshold = 4
    run = start_due_run(ranked)
    assert run is not None
    assert run.kind == Kind.REWARD
    assert new_rankings(ranked) == 0
    fail_run(claimed(run), "Because.")
    assert start_due_run(ranked) is None


def test_a_new_champion_reward_model_makes_one_policy_update_due(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    update = start_due_run(ranked)
    assert update is not None
    assert update.kind == Kind.POLICY
    request_cancel(update)
    assert start_due_run(ranked) is None


def test_a_reward_model_that_fails_its_gate_stays_candidate_with_the_reason(
    ranked: Project,
) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=False))
    version = RewardModelVersion.objects.get()
    assert (version.status, version.gate_reason) == ("candidate", as_json(BECAUSE))
    assert start_due_run(ranked) is None


def test_a_policy_that_passes_serves_and_knows_where_it_comes_from(ranked: Project) -> None:
    base = champion(ranked)
    update = updated(ranked)
    policy = champion(ranked)
    assert policy.number == 1
    assert policy.parent == base
    assert policy.provenance["reward_model"] == 1
    assert policy.provenance["snapshot_sha256"] == update.snapshot.sha256
    assert policy.provenance["commit"] == "abc"
    base.refresh_from_db()
    assert base.status == "retired"


def test_rolling_back_is_promoting_an_older_version(ranked: Project) -> None:
    base = champion(ranked)
    updated(ranked)
    promote(base)
    assert champion(ranked) == base
    assert ranked.policyversions.filter(status="champion").count() == 1


def test_a_policy_trained_from_a_policy_that_no_longer_serves_stays_candidate(
    ranked: Project,
) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    update = claimed(start_policy_run(ranked))
    promote(
        PolicyVersion.objects.create(project=ranked, number=9, base_model=update.policy.base_model)
    )
    complete_run(update, result(update, passed=True))
    version = PolicyVersion.objects.get(produced_by=update)
    assert version.status == "candidate"
    assert version.gate_reason == {"code": "other_champion", "values": {}}


def test_a_run_that_leaves_a_report_makes_no_version(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    update = claimed(start_policy_run(ranked))
    complete_run(update, result(update, passed=False) | {"output": None})
    update.refresh_from_db()
    assert (update.status, update.reason) == (Status.SUCCEEDED, as_json(BECAUSE))
    assert champion(ranked).number == 0
    assert start_due_run(ranked) is None


def test_only_one_supervisor_gets_a_run(ranked: Project) -> None:
    run = start_reward_run(ranked)
    assert claim_run(run.pk) is not None
    assert claim_run(run.pk) is None


def test_a_silent_supervisor_loses_its_run_and_its_late_words_change_nothing(
    ranked: Project,
) -> None:
    first = claimed(start_reward_run(ranked))
    silence(first)
    assert runs_to_pick_up() == [first.pk]
    second = claimed(first)
    assert beat(first, None) is False
    complete_run(first, result(first, passed=True))
    fail_run(first, "Late.")
    second.refresh_from_db()
    assert second.status == Status.RUNNING
    assert not RewardModelVersion.objects.exists()


def test_a_run_whose_message_was_lost_is_picked_up(ranked: Project) -> None:
    run = start_reward_run(ranked)
    assert runs_to_pick_up() == []
    TrainingRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert runs_to_pick_up() == [run.pk]


@pytest.mark.parametrize("field", ["heartbeat_at", "created_at"])
def test_a_clock_that_was_set_back_keeps_no_run_from_being_picked_up(
    ranked: Project, field: str
) -> None:
    run = start_reward_run(ranked)
    if field == "heartbeat_at":
        claimed(run)
    TrainingRun.objects.update(**{field: timezone.now() + timedelta(hours=2)})
    assert runs_to_pick_up() == [run.pk]


def test_a_run_that_dies_at_the_same_place_again_and_again_fails(ranked: Project) -> None:
    run = start_reward_run(ranked)
    for _ in range(TrainingRun.MAX_ATTEMPTS):
        attempt = claimed(run)
        beat(attempt, {"phase": "training", "step": 3, "total": 9, "metrics": {}})
        attempt.folder.mkdir(parents=True, exist_ok=True)
        (attempt.folder / "log.txt").write_text("Segmentation fault\n")
        try_again(attempt)
    run.refresh_from_db()
    assert run.status == Status.FAILED
    assert run.reason == {
        "code": "process_died",
        "values": {"times": TrainingRun.MAX_ATTEMPTS, "words": "Segmentation fault"},
    }


def test_a_run_that_failed_in_its_own_words_keeps_them(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    fail_run(run, "The loss is not finite at step 3.")
    run.refresh_from_db()
    assert (run.status, run.reason) == (Status.FAILED, "The loss is not finite at step 3.")


def test_a_run_that_gets_further_each_time_is_not_given_up(ranked: Project) -> None:
    run = start_reward_run(ranked)
    for step in range(1, 3 * TrainingRun.MAX_ATTEMPTS):
        attempt = claimed(run)
        beat(attempt, {"phase": "training", "step": step, "total": 99, "metrics": {}})
        try_again(attempt)
    run.refresh_from_db()
    assert run.status == Status.QUEUED


def test_the_loop_is_read_in_a_fixed_number_of_queries(
    ranked: Project, django_assert_num_queries: Any
) -> None:
    updated(ranked)
    with django_assert_num_queries(13):
        status = loop_status(ranked)
    assert status.policy.number == 1
    assert [policy.number for policy in status.ancestors] == [0]
    assert status.rankings_today == 4
    assert status.reward_model == status.last_reward_model


def test_outputs_lie_under_the_var_folder(ranked: Project) -> None:
    run = start_reward_run(ranked)
    assert Path(run.config["output"]).is_relative_to(settings.VAR_FOLDER / "models" / "kitchen")


def test_a_command_queues_a_run(ranked: Project) -> None:
    call_command("train", "kitchen", "reward", stdout=StringIO())
    assert ranked.runs.get().kind == Kind.REWARD


def test_a_command_says_why_no_run_was_queued(project: Project) -> None:
    with pytest.raises(CommandError, match="no rankings"):
        call_command("train", "kitchen", "reward")
    with pytest.raises(CommandError, match="no project with the address 'nowhere'"):
        call_command("train", "nowhere", "policy")
