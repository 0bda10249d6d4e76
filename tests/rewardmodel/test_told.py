"""Webhooks are told of runs that ended, and of versions that serve."""

import json

from annotation.models import Delivery, Project, User, Webhook
from annotation.services.webhooks import make_webhook
from rewardmodel.services import request_cancel, start_reward_run
from rewardmodel.services.outcomes import cancel_run, complete_run, fail_run
from rewardmodel.services.promotion import let_serve
from tests.people import champion
from tests.rewardmodel.runs import claimed, result, updated


def told(event: str) -> list[dict[str, object]]:
    bodies = Delivery.objects.filter(event=event).order_by("id").values_list("body", flat=True)
    return [json.loads(body)["data"] for body in bodies]


def hook(project: Project, owner: User) -> Webhook:
    return make_webhook(project, owner, "https://example.org/", ["run.ended", "version.promoted"])


def test_the_end_of_a_run_is_told_with_what_it_made(ranked: Project, owner: User) -> None:
    hook(ranked, owner)
    run = claimed(start_reward_run(ranked))
    complete_run(run, result(run, passed=True))
    [ended] = told("run.ended")
    assert (ended["id"], ended["status"], ended["reward_model"]) == (run.pk, "succeeded", 1)
    assert ended["metrics"] == {"heldout": {"accuracy": 0.75, "log_loss": 0.6}}


def test_failed_and_cancelled_runs_are_told_once(ranked: Project, owner: User) -> None:
    hook(ranked, owner)
    fail_run(claimed(start_reward_run(ranked)), "Out of luck.")
    cancel_run(claimed(start_reward_run(ranked)))
    queued = start_reward_run(ranked)
    request_cancel(queued)
    request_cancel(queued)
    assert [each["status"] for each in told("run.ended")] == ["failed", "cancelled", "cancelled"]
    assert told("run.ended")[0]["reason"] == "Out of luck."


def test_a_version_that_serves_is_told_with_who_decided(ranked: Project, owner: User) -> None:
    before = champion(ranked)
    hook(ranked, owner)
    updated(ranked)
    let_serve(before, by=owner)
    served = [(each["kind"], each["number"], each["by"]) for each in told("version.promoted")]
    assert served == [("reward", 1, None), ("policy", 1, None), ("policy", 0, "owner")]
