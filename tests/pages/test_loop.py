"""The page of the loop, its runs and its versions."""

import json
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from annotation.judgment.judgment import Judgment
from annotation.models import PolicyVersion, Project, User
from annotation.services.assignments import take_assignment
from annotation.services.rankings import submit_ranking
from rewardmodel.learning.core.codes import Code
from rewardmodel.learning.core.gate import Verdict, as_json, report
from rewardmodel.models import RewardModelVersion, TrainingRun
from rewardmodel.services import request_cancel, start_reward_run
from tests.pages.conftest import As
from tests.pages.desk import seen
from tests.people import ask, champion, ready_group

FRAGMENT_QUERIES = 17
POLL = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _var_folder(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_FOLDER = tmp_path


@pytest.fixture
def ranked(project: Project, labeler: User) -> Project:
    ready_group(project)
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)
    return project


def page(project: Project, name: str = "project", *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


def test_the_loop_tells_what_waits_and_what_was_ranked(
    as_: As, ranked: Project, owner: User
) -> None:
    html = as_(owner).get(page(ranked)).content.decode()
    assert "1 new since the last training, of 100" in html
    assert "the base model answers now" in html
    assert "none trained yet" in html


def test_a_policy_that_learns_from_rankings_is_updated_without_a_reward_model(
    as_: As, ranked: Project, owner: User
) -> None:
    needs_a_judge = "once a reward model has passed its gate"
    assert needs_a_judge in as_(owner).get(page(ranked)).content.decode()
    ranked.policy_settings = {"algorithm": "dpo"}
    ranked.save()
    html = as_(owner).get(page(ranked)).content.decode()
    assert needs_a_judge not in html
    assert 'value="policy">' in html
    as_(owner).post(page(ranked, "run_start"), {"kind": "policy"})
    run = ranked.runs.get()
    assert (run.kind, run.reward_model) == ("policy", None)
    assert "1 row of" in as_(owner).get(page(ranked, "run", run.pk)).content.decode()


def test_a_project_without_prompts_says_what_to_do_first(
    as_: As, project: Project, owner: User
) -> None:
    html = as_(owner).get(page(project)).content.decode()
    assert "The project has no prompts yet" in html
    assert page(project, "prompts") in html


def test_before_a_teacher_model_follows_the_loop_says_from_when_it_will(
    as_: As, project: Project, owner: User
) -> None:
    html = as_(owner).get(page(project)).content.decode()
    assert "From 10 rankings on a teacher model follows them" in html
    assert "So far there are 0." in html


def test_a_poll_gets_the_fragment_only(as_: As, project: Project, owner: User) -> None:
    html = as_(owner).get(page(project), headers=POLL).content.decode()
    assert html.startswith('<div id="loop"')


def test_a_poll_that_brings_nothing_new_gets_nothing(as_: As, ranked: Project, owner: User) -> None:
    browser = as_(owner)
    seen = browser.get(page(ranked)).context["seen"]
    assert browser.get(f"{page(ranked)}?seen={seen}", headers=POLL).status_code == 204
    start_reward_run(ranked)
    assert browser.get(f"{page(ranked)}?seen={seen}", headers=POLL).status_code == 200


def test_a_poll_after_the_session_ended_leads_to_the_login(
    as_: As, project: Project, owner: User
) -> None:
    browser = as_(owner)
    browser.logout()
    answer = browser.get(page(project), headers=POLL, follow=True)
    assert answer.headers["HX-Refresh"] == "true"


def test_the_fragment_costs_the_same_however_much_was_done(
    as_: As, ranked: Project, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    browser = as_(owner)
    start_reward_run(ranked)
    with django_assert_num_queries(FRAGMENT_QUERIES):
        browser.get(page(ranked), headers=POLL)
    first = champion(ranked)
    PolicyVersion.objects.create(project=ranked, number=1, parent=first, base_model="b")
    for question in ("One?", "Two?", "Three?"):
        ready_group(ranked, question)
    with django_assert_num_queries(FRAGMENT_QUERIES):
        browser.get(page(ranked), headers=POLL)


def test_an_admin_starts_the_training_of_a_reward_model(
    as_: As, ranked: Project, admin: User
) -> None:
    as_(admin).post(page(ranked, "run_start"), {"kind": "reward"})
    run = TrainingRun.objects.get()
    assert (run.kind, run.status, run.started_by) == ("reward", "queued", admin)


def test_a_run_that_cannot_start_says_why(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    html = browser.post(page(project, "run_start"), {"kind": "reward"}, follow=True)
    assert "There are no rankings to learn from yet." in html.content.decode()
    html = browser.post(page(project, "run_start"), {"kind": "policy"}, follow=True)
    assert "No reward model has passed its gate yet" in html.content.decode()
    assert not TrainingRun.objects.exists()


def test_a_second_run_is_refused_with_a_clear_word(as_: As, ranked: Project, owner: User) -> None:
    run = start_reward_run(ranked)
    answer = as_(owner).post(page(ranked, "run_start"), {"kind": "reward"}, follow=True)
    assert f"Run {run.pk} (reward model) is queued" in answer.content.decode()


def test_a_refusal_is_in_the_language_of_the_page(as_: As, project: Project, owner: User) -> None:
    asked = page(project, "run_start"), {"kind": "policy"}
    html = as_(owner).post(*asked, follow=True, headers={"accept-language": "zh-CN"})
    assert "还没有通过验收的奖励模型" in html.content.decode()


def test_a_verdict_is_in_the_language_of_the_page(as_: As, ranked: Project, owner: User) -> None:
    run = start_reward_run(ranked)
    stopped = Verdict(Code.STOPPED_BY_BUDGET, {"steps": 3, "divergence": 31.0})
    numbers = {"before": 0.1, "after": 0.05, "divergence": 31.0}
    run.status = TrainingRun.Status.SUCCEEDED
    run.reason = as_json(Verdict(Code.POLICY_NO_GAIN, {**numbers, "stopped": stopped}))
    run.metrics = {"stopped": report(stopped)}
    run.save()
    browser, path = as_(owner), page(ranked, "run", run.pk)
    english = browser.get(path).content.decode()
    assert "Held-out reward went from 0.100 to 0.050" in english
    assert "Training stopped after 3 steps at a divergence of 31.0 nats." in english
    assert "<dd>stopped after 3 steps at a divergence of 31.0 nats</dd>" in english
    chinese = browser.get(path, headers={"accept-language": "zh-CN"}).content.decode()
    assert "留出奖励从 0.100 变为 0.050，散度为 31.0 奈特：没有提高。" in chinese
    assert "训练在第 3 步后停止，当时的散度为 31.0 奈特。" in chinese
    assert "<dd>在第 3 步后停止，当时的散度为 31.0 奈特</dd>" in chinese


def test_why_the_base_model_serves_is_in_the_language_of_the_page(
    as_: As, project: Project, owner: User
) -> None:
    browser, path = as_(owner), page(project, "versions")
    assert "The base model serves until" in browser.get(path).content.decode()
    chinese = browser.get(path, headers={"accept-language": "zh-CN"}).content.decode()
    assert "在教出更好的版本之前，一直使用基础模型。" in chinese


def test_an_admin_cancels_a_run(as_: As, ranked: Project, admin: User) -> None:
    run = start_reward_run(ranked)
    as_(admin).post(page(ranked, "run_cancel", run.pk))
    run.refresh_from_db()
    assert run.status == "cancelled" or run.cancel_requested_at is not None


def test_cancelling_offers_to_pause_the_loop(as_: As, ranked: Project, admin: User) -> None:
    run = start_reward_run(ranked)
    browser = as_(admin)
    assert 'name="pause"' in browser.get(page(ranked)).content.decode()
    answer = browser.post(page(ranked, "run_cancel", run.pk), {"pause": "yes"}, follow=True)
    html = answer.content.decode()
    assert "Training is paused" in html
    assert "Training does not start by itself in this project." in html
    ranked.refresh_from_db()
    assert not ranked.training_is_automatic


@pytest.mark.parametrize(
    ("language", "cancelled", "failed"),
    [
        ("en", "was cancelled. Training starts by itself again after 1 more", "is tried again at"),
        ("zh-CN", "已取消。再有 1 个排序后", "训练将在"),
    ],
)
def test_the_loop_says_why_it_rests(
    as_: As, ranked: Project, owner: User, language: str, cancelled: str, failed: str
) -> None:
    Project.objects.update(training_threshold=1)
    request_cancel(start_reward_run(ranked))
    browser, headers = as_(owner), {"accept-language": language}
    assert cancelled in browser.get(page(ranked), headers=headers).content.decode()
    start_reward_run(ranked)
    TrainingRun.objects.filter(status="queued").update(status="failed", finished_at=timezone.now())
    assert failed in browser.get(page(ranked), headers=headers).content.decode()


def test_a_run_shows_its_course_its_log_and_its_reason(
    as_: As, ranked: Project, owner: User
) -> None:
    run = start_reward_run(ranked)
    TrainingRun.objects.update(status="failed", reason="The loss is not finite at step 3.")
    run.folder.mkdir(parents=True)
    lines = [
        {"time": step, "phase": "training", "step": step, "total": 3, "metrics": {"loss": 1 / step}}
        for step in (1, 2, 3)
    ]
    (run.folder / "progress.jsonl").write_text(
        "".join(f"{json.dumps(line)}\n" for line in lines) + '{"phase": "trai'
    )
    (run.folder / "log.txt").write_text("the last words <of the run>")
    html = as_(owner).get(page(ranked, "run", run.pk)).content.decode()
    assert 'points="0.0,0.0 160.0,120.0 320.0,160.0"' in html
    assert "the last words &lt;of the run&gt;" in html
    assert "The loss is not finite at step 3." in html


def test_a_reward_models_run_shows_how_sure_and_how_right_it_is(
    as_: As, ranked: Project, owner: User
) -> None:
    run = start_reward_run(ranked)
    bins = [
        {"low": 0.5, "high": 0.55, "pairs": 0, "confidence": None, "accuracy": None},
        {"low": 0.7, "high": 0.75, "pairs": 12, "confidence": 0.75, "accuracy": 0.5},
    ]
    metrics = {"heldout": {"calibration_error": 0.25}, "reliability": bins}
    TrainingRun.objects.update(status="succeeded", metrics=metrics)
    html = as_(owner).get(page(ranked, "run", run.pk)).content.decode()
    assert '<circle class="look-1" cx="160.0" cy="80.0" r="7.0"/>' in html
    assert "held-out: calibration error" in html
    assert "&#x27;low&#x27;" not in html


def test_a_verdict_that_let_nothing_serve_does_not_stand_there_as_a_success(
    as_: As, ranked: Project, owner: User
) -> None:
    run = start_reward_run(ranked)
    made = RewardModelVersion.objects.create(
        project=ranked, number=1, snapshot=run.snapshot, base_model="a model", status="retired"
    )
    figures = {"loss": 0.68, "accuracy": 0.55, "pairs": 60, "prompts": 10, "more": 40}
    TrainingRun.objects.update(
        status="succeeded",
        reason=as_json(Verdict(Code.REWARD_UNDECIDED, figures)),
        produced_reward_model=made,
    )
    html = as_(owner).get(page(ranked, "run", run.pk)).content.decode()
    assert '<p class="note warning">Not decided yet: held-out log loss 0.680' in html
    assert "Rank about 40 more prompts." in html
    learned = {**figures, "low": 0.5, "high": 0.6}
    for code, colour in ((Code.REWARD_NOT_LEARNED, "error"), (Code.REWARD_LEARNED, "success")):
        TrainingRun.objects.update(reason=as_json(Verdict(code, learned)))
        html = as_(owner).get(page(ranked, "run", run.pk)).content.decode()
        assert f'<p class="note {colour}">' in html


def test_only_an_active_run_is_polled(as_: As, ranked: Project, owner: User) -> None:
    run = start_reward_run(ranked)
    browser = as_(owner)
    assert "hx-trigger" in browser.get(page(ranked, "run", run.pk)).content.decode()
    TrainingRun.objects.update(status="succeeded")
    assert "hx-trigger" not in browser.get(page(ranked, "run", run.pk)).content.decode()


def test_rolling_back_is_one_button(as_: As, project: Project, owner: User) -> None:
    first = champion(project)
    PolicyVersion.objects.filter(pk=first.pk).update(status="retired")
    taught = PolicyVersion.objects.create(
        project=project, number=1, parent=first, status="champion", base_model="b", path="p"
    )
    browser = as_(owner)
    html = browser.get(page(project, "versions")).content.decode()
    assert page(project, "serve", "policy", first.pk) in html
    assert page(project, "serve", "policy", taught.pk) not in html
    browser.post(page(project, "serve", "policy", first.pk))
    assert champion(project) == first


def test_versions_show_why_they_serve_and_what_changed(
    as_: As, project: Project, owner: User
) -> None:
    PolicyVersion.objects.create(
        project=project,
        number=1,
        base_model="b",
        gate_reason="The mean reward fell.",
        metrics={"new": {"kl": 3.25}},
        samples=[
            {
                "prompt": [{"role": "user", "content": "Why?"}],
                "before": "Because **so**.",
                "after": "Therefore.",
                "score_before": -0.5,
                "score_after": 0.5,
            }
        ],
    )
    html = as_(owner).get(page(project, "versions")).content.decode()
    for text in ("The mean reward fell.", "new policy: KL", "3.25", "<strong>so</strong>"):
        assert text in seen(html)


def test_what_was_taught_and_does_not_serve_is_said(as_: As, project: Project, owner: User) -> None:
    browser = as_(owner)
    assert "It has not been taught yet." in browser.get(page(project)).content.decode()
    PolicyVersion.objects.create(
        project=project, number=1, parent=champion(project), base_model="b", path="p"
    )
    html = browser.get(page(project)).content.decode()
    assert "1 version was taught; it does not serve." in html
    assert "It has not been taught yet." not in html
    chinese = browser.get(page(project), headers={"accept-language": "zh-CN"}).content.decode()
    assert "已教出 1 个版本，都没有启用。" in chinese


def test_schedules_are_linked_for_staff(as_: As, project: Project, owner: User) -> None:
    schedules = reverse("admin:django_celery_beat_periodictask_changelist")
    assert schedules not in as_(owner).get(page(project)).content.decode()
    owner.is_staff = True
    owner.save()
    assert schedules in as_(owner).get(page(project)).content.decode()


def test_a_button_asks_for_answers_up_to_what_the_project_wants(
    as_: As, project: Project, owner: User
) -> None:
    ask(project, "one", "two")
    answer = as_(owner).post(page(project, "generate"), follow=True)
    assert "2 groups wait for answers" in answer.content.decode()
    assert project.groups.count() == 2
