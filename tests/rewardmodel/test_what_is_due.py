"""What the loop starts by itself after a run that was cancelled or failed."""

from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from annotation.judgment.judgment import Judgment
from annotation.models import Project, Ranking, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import RETRY_AFTER, loop_status, new_rankings, rest_before
from rewardmodel.services import request_cancel, start_due_run, start_policy_run, start_reward_run
from rewardmodel.services.outcomes import cancel_run, complete_run, fail_run
from tests.people import answer_everything, ask
from tests.rewardmodel.runs import claimed, result

Kind = TrainingRun.Kind


def rank_more(project: Project, labeler: User, *questions: str) -> None:
    project.queue_target += len(questions)
    project.save()
    ask(project, *questions)
    answer_everything(project)
    while (assignment := take_assignment(project, labeler)) is not None:
        assert assignment.token is not None
        order = Judgment({position: position + 1 for position in assignment.shown_order})
        submit_ranking(labeler, order, token=assignment.token)


def time_passes(passed: timedelta) -> None:
    """All that happened is that much longer ago."""
    TrainingRun.objects.update(finished_at=F("finished_at") - passed)
    Ranking.objects.update(created_at=F("created_at") - passed)


def fail(run: TrainingRun | None) -> None:
    assert run is not None
    fail_run(claimed(run), "Out of luck.")


def test_a_run_that_failed_gives_its_rankings_back(ranked: Project) -> None:
    run = start_reward_run(ranked)
    assert new_rankings(ranked) == 0
    fail(run)
    assert new_rankings(ranked) == 4


def test_a_run_that_was_cancelled_gives_its_rankings_back(ranked: Project) -> None:
    request_cancel(start_reward_run(ranked))
    assert new_rankings(ranked) == 4


def test_a_run_whose_model_failed_its_gate_keeps_its_rankings(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=False))
    assert new_rankings(ranked) == 0


def test_a_failed_run_is_tried_again_later_each_time_and_then_no_more(ranked: Project) -> None:
    ranked.training_threshold = 4
    fail(start_due_run(ranked))
    for wait in RETRY_AFTER:
        time_passes(wait - timedelta(seconds=5))
        assert start_due_run(ranked) is None
        time_passes(timedelta(seconds=10))
        fail(start_due_run(ranked))
    time_passes(timedelta(days=1))
    assert start_due_run(ranked) is None


def test_after_the_last_try_enough_new_rankings_are_a_reason_for_another(
    ranked: Project, labeler: User
) -> None:
    ranked.training_threshold = 4
    for _ in range(len(RETRY_AFTER) + 1):
        fail(start_reward_run(ranked))
    rank_more(ranked, labeler, *"efg")
    assert start_due_run(ranked) is None
    rank_more(ranked, labeler, "h")
    assert start_due_run(ranked) is not None


def test_a_success_makes_the_next_failure_the_first_again(ranked: Project, labeler: User) -> None:
    ranked.training_threshold = 4
    fail(start_reward_run(ranked))
    fail(start_reward_run(ranked))
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=False))
    rank_more(ranked, labeler, *"efgh")
    fail(start_due_run(ranked))
    rest = rest_before(ranked, Kind.REWARD)
    assert rest is not None
    assert rest.failures == 1


def test_a_failed_update_is_tried_again_towards_the_same_reward_model(ranked: Project) -> None:
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    fail(start_due_run(ranked))
    assert start_due_run(ranked) is None
    time_passes(RETRY_AFTER[0])
    again = start_due_run(ranked)
    assert again is not None
    assert again.kind == Kind.POLICY


def test_an_update_that_fails_keeps_no_reward_model_waiting(ranked: Project, labeler: User) -> None:
    ranked.training_threshold = 4
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    fail(start_policy_run(ranked))
    rank_more(ranked, labeler, *"efgh")
    due = start_due_run(ranked)
    assert due is not None
    assert due.kind == Kind.REWARD


def test_a_clock_that_was_set_back_does_not_keep_a_failed_run_waiting(ranked: Project) -> None:
    ranked.training_threshold = 4
    fail(start_due_run(ranked))
    time_passes(-timedelta(hours=2))
    assert start_due_run(ranked) is not None


def test_nothing_starts_by_itself_after_a_cancel_until_as_many_rankings_came_again(
    ranked: Project, labeler: User
) -> None:
    ranked.training_threshold = 4
    due = start_due_run(ranked)
    assert due is not None
    rank_more(ranked, labeler, *"efgh")  # enough for the next one, while this one works
    cancel_run(claimed(due))
    time_passes(timedelta(hours=1))
    assert start_due_run(ranked) is None
    rank_more(ranked, labeler, *"ijk")
    assert start_due_run(ranked) is None
    rank_more(ranked, labeler, "l")
    assert start_due_run(ranked) is not None


def test_after_a_cancelled_update_no_training_of_another_kind_steps_in(
    ranked: Project, labeler: User
) -> None:
    ranked.training_threshold = 4
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    update = claimed(start_policy_run(ranked))
    rank_more(ranked, labeler, *"efgh")
    cancel_run(update)
    assert start_due_run(ranked) is None


def test_a_run_that_a_person_starts_ends_the_rest(ranked: Project) -> None:
    ranked.training_threshold = 4
    request_cancel(start_reward_run(ranked))
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    due = start_due_run(ranked)
    assert due is not None
    assert due.kind == Kind.POLICY


def test_cancelling_with_a_pause_keeps_the_loop_still(ranked: Project) -> None:
    request_cancel(start_reward_run(ranked), pause=True)
    ranked.refresh_from_db()
    assert not ranked.training_is_automatic


def test_the_loop_says_what_it_waits_for(ranked: Project) -> None:
    ranked.training_threshold = 4
    assert loop_status(ranked).rest is None
    fail(start_due_run(ranked))
    rest = loop_status(ranked).rest
    assert rest is not None
    assert rest.retry_at is not None
    assert timezone.now() < rest.retry_at <= timezone.now() + RETRY_AFTER[0]
    request_cancel(start_reward_run(ranked))
    rest = loop_status(ranked).rest
    assert rest is not None
    assert (rest.retry_at, rest.rankings) == (None, 4)
