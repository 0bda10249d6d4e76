"""A judge model beside people: it judges many pairs, and keeps nobody waiting."""

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override
from pytest_django import Settings

from annotation.models import Assignment, Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.selectors.comparisons import Standing, comparisons_of, standing_of
from annotation.selectors.groups import withdrawn_groups
from annotation.services.comparisons import end_comparison, start_comparison
from annotation.services.groups import claim_groups, put_back_group
from annotation.services.snapshots import take_named_snapshot
from rewardmodel.models import JudgedPair, Judging, RewardModelVersion
from rewardmodel.selectors.judging import JudgingStanding, free_judgings, judging_standing
from rewardmodel.services.archiving import archive_project
from rewardmodel.services.judging import (
    JudgingRefused,
    cancel_judging,
    judge_next_pairs,
    resume_judging,
    start_judging,
)
from tests.pages.conftest import As, as_  # noqa: F401
from tests.people import champion, serving_reward_model
from tests.rewardmodel.comparing import answer_all, begin, judge
from tests.serving import serving

Status = Judging.Status
KEY = "sk-not-to-be-seen"


def likes_the_second(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Versions' answers begin with their place."""
    written = body["messages"][-1]["content"]
    pair = json.loads(written[: written.rindex("}") + 1])
    word = "FIRST" if pair["FIRST"].startswith("Answer 1") else "SECOND"
    return 200, {"choices": [{"message": {"content": f"Verdict: {word}"}}]}


@pytest.fixture
def server(settings: Settings) -> Any:
    with serving(likes_the_second) as (url, asked):
        settings.JUDGE_SERVER, settings.JUDGE_MODEL = url, "a-judge"
        settings.JUDGE_API_KEY = KEY
        yield asked


def work(judging: Judging) -> None:
    """As the workers do, until nothing is left to do at once."""
    while True:
        answered = answer_all(judging.comparison.project)
        if judge_next_pairs(judging.pk) is None and not answered:
            return


def found(judging: Judging) -> JudgingStanding:
    judging.refresh_from_db()
    comparison = comparisons_of(judging.comparison.project).get(pk=judging.comparison_id)
    return judging_standing(judging, comparison)


def test_it_judges_the_pairs_of_people_and_as_many_more(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
    labeler: User,
) -> None:
    comparison = begin(project, candidate, prompts=4)
    judge(project, labeler, for_second=2, for_first=1)
    judging = start_judging(comparison, None, 8)
    work(judging)
    standing = found(judging)
    assert (judging.status, standing.judged, standing.wanted) == (Status.DONE, 12, 12)
    assert standing.people
    assert standing.judge
    assert standing.combined
    assert standing.accord
    assert (standing.people.prompts, standing.judge.prompts) == (3, 12)
    assert standing.people.share == pytest.approx(2 / 3)
    assert standing.judge.share == 1
    assert standing.accord.count == 3
    assert standing.accord.share == pytest.approx(2 / 3)
    assert (standing.turned, standing.unread) == (0, 0)


def test_its_pairs_are_no_labeler_s_and_people_s_standing_is_their_own(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
    labeler: User,
) -> None:
    comparison = begin(project, candidate, prompts=3)
    judging = start_judging(comparison, None, 9)
    work(judging)
    assert Assignment.objects.filter(group__is_for_judge=True).count() == 0
    assert comparison.groups.filter(is_for_judge=True, status="judged").count() == 9
    judge(project, labeler, for_second=1)
    known = comparisons_of(project).get(pk=comparison.pk)
    assert standing_of(known) == Standing(wins=1, open=2)


def test_what_people_wait_for_is_answered_first_and_alone(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = start_comparison(project, champion(project), candidate, prompts=2)
    start_judging(comparison, None, 5)
    first = claim_groups(project.pk, limit=4)
    assert [group.is_for_judge for group in first] == [False, False]
    PromptGroup.objects.filter(pk__in=[group.pk for group in first]).update(status="pending")
    order = [group.is_for_judge for group in answer_all(project)]
    assert order == sorted(order)


def test_prompts_that_it_took_are_people_s_still(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=2)
    start_judging(comparison, None, 10)
    end_comparison(comparison, Comparison.Status.CANCELLED)
    assert start_comparison(project, champion(project), candidate).groups.count() == 10


def test_people_s_decision_does_not_end_it(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=2)
    judging = start_judging(comparison, None, 3)
    end_comparison(comparison, Comparison.Status.SECOND)
    work(judging)
    assert found(judging).judged == 5


def test_cancelled_it_keeps_its_verdicts_and_goes_on_where_it_was(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=9)
    judging = start_judging(comparison, None, 3)
    assert judge_next_pairs(judging.pk) is not None
    cancel_judging(judging)
    assert judge_next_pairs(judging.pk) is None
    assert claim_groups(project.pk, limit=4) == []
    assert not withdrawn_groups(project)
    assert not any(map(put_back_group, comparison.groups.filter(is_for_judge=True)))
    assert (found(judging).judged, judging.status) == (8, Status.CANCELLED)
    asked = len(server)
    resume_judging(judging)
    work(judging)
    assert (found(judging).judged, judging.status) == (12, Status.DONE)
    assert len(server) == asked + 2 * 4


def test_after_one_that_was_cancelled_no_more_pairs_are_asked_for_than_were_wanted(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=2)
    cancel_judging(start_judging(comparison, None, 8))
    start_judging(comparison, None, 3)
    assert comparison.groups.filter(is_for_judge=True, status="pending").count() == 3


def test_a_server_that_fails_is_tried_again_later_and_at_last_given_up(
    settings: Settings,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    settings.JUDGE_SERVER, settings.JUDGE_MODEL = "http://127.0.0.1:9", "a-judge"
    judging = start_judging(begin(project, candidate, prompts=2), None, 0)
    for attempt in range(1, 4):
        assert judge_next_pairs(judging.pk) is None
        judging.refresh_from_db()
        assert (judging.failures, free_judgings().count()) == (attempt, 0)
        Judging.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert judging.status == Status.FAILED
    assert "model server at http://127.0.0.1:9 cannot be reached" in judging.reason_said
    with override("zh-hans"):
        assert "无法连接 http://127.0.0.1:9 处的模型服务" in judging.reason_said


def test_an_error_that_no_database_can_hold_is_one_all_the_same(
    settings: Settings,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    with serving(lambda *_: (500, {"error": {"message": "bad \0 \ud83d"}})) as (url, _):
        settings.JUDGE_SERVER, settings.JUDGE_MODEL = url, "a-judge"
        judging = start_judging(begin(project, candidate, prompts=2), None, 0)
        judge_next_pairs(judging.pk)
    judging.refresh_from_db()
    assert judging.failures == 1
    assert judging.reason_said.endswith("status 500: bad  ?")


def test_a_judge_whose_replies_hold_no_verdict_fails_and_says_so(
    settings: Settings,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    with serving(lambda *_: (200, {"choices": [{"message": {"content": "Hm."}}]})) as (url, _):
        settings.JUDGE_SERVER, settings.JUDGE_MODEL = url, "a-judge"
        judging = start_judging(begin(project, candidate, prompts=2), None, 0)
        judge_next_pairs(judging.pk)
    standing = found(judging)
    assert (standing.judged, standing.judge, judging.failures) == (0, None, 1)
    assert judging.reason_said.startswith("a-judge gave no verdict on any of 2 pairs")


def test_a_pair_without_a_verdict_is_left_out_and_is_no_tie(
    settings: Settings,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=3)
    dumb = comparison.groups.order_by("pk")[0]

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if f"of {dumb.pk}." in body["messages"][-1]["content"]:
            return 200, {"choices": [{"message": {"content": "Hm."}}]}
        return likes_the_second(path, body)

    with serving(reply) as (url, _):
        settings.JUDGE_SERVER, settings.JUDGE_MODEL = url, "a-judge"
        judging = start_judging(comparison, None, 0)
        work(judging)
    standing = found(judging)
    assert (judging.status, standing.judged, standing.left_out) == (Status.DONE, 3, 1)
    assert standing.judge
    assert (standing.judge.prompts, standing.judge.share, standing.unread) == (2, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_the_judge_server_is_asked_for_one_judging_at_a_time(
    settings: Settings,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    judgings = []
    for _ in range(2):
        comparison = begin(project, candidate, prompts=2)
        judgings.append(start_judging(comparison, None, 0))
        end_comparison(comparison, Comparison.Status.SECOND)
    one_was_refused = threading.Event()

    def reply(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        one_was_refused.wait(10)
        return likes_the_second(path, body)

    def at_work(judging: Judging) -> None:
        judge_next_pairs(judging.pk)
        one_was_refused.set()
        connection.close()

    with serving(reply) as (url, _), ThreadPoolExecutor(2) as pool:
        settings.JUDGE_SERVER, settings.JUDGE_MODEL = url, "a-judge"
        list(pool.map(at_work, judgings))
    assert JudgedPair.objects.values("judging").distinct().count() == 1


def test_two_workers_never_judge_at_once(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    judging = start_judging(begin(project, candidate, prompts=2), None, 0)
    later = timezone.now() + timedelta(seconds=30)
    Judging.objects.update(claimed_until=later)
    assert judge_next_pairs(judging.pk) is None
    assert not JudgedPair.objects.exists()


def test_a_second_judge_at_the_same_time_is_refused(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    comparison = begin(project, candidate, prompts=2)
    first = start_judging(comparison, None, 0)
    with pytest.raises(JudgingRefused, match="is at work"):
        start_judging(comparison, None, 0)
    cancel_judging(first)
    start_judging(comparison, None, 0)
    with pytest.raises(JudgingRefused, match="is at work"):
        resume_judging(first)


def test_archiving_a_project_cancels_its_judges(
    server: Any,
    project: Project,
    candidate: PolicyVersion,
) -> None:
    judging = start_judging(begin(project, candidate, prompts=2), None, 4)
    archive_project(project)
    judging.refresh_from_db()
    assert judging.status == Status.CANCELLED


@pytest.fixture
def teacher(
    project: Project, owner: User, tiny_model: Path, tiny_reward_model: Path
) -> RewardModelVersion:
    """A reward model that serves."""
    return serving_reward_model(
        project,
        base_model=str(tiny_model),
        path=str(tiny_reward_model),
        snapshot=take_named_snapshot(project, "prompts", "Any", owner),
    )


def test_the_reward_model_says_how_sure_it_is_and_needs_no_second_order(
    project: Project,
    candidate: PolicyVersion,
    teacher: RewardModelVersion,
    labeler: User,
) -> None:
    comparison = begin(project, candidate, prompts=3)
    judge(project, labeler, for_second=1)
    judging = start_judging(comparison, teacher, 5)
    work(judging)
    standing = found(judging)
    assert (judging.status, standing.judged, standing.turned) == (Status.DONE, 8, None)
    assert standing.combined is not None
    given = set(JudgedPair.objects.values_list("preference", flat=True))
    assert len(given) > 1
    assert all(0 < preference < 1 for preference in given)


@pytest.mark.parametrize(
    ("harm", "english", "chinese"),
    [
        (lambda folder: shutil.rmtree(folder), "There is no model folder at", "处没有模型文件夹"),
        (lambda folder: (folder / "head.safetensors").write_bytes(b"?"), "is damaged", "已损坏"),
        (lambda folder: (folder / "head.json").write_text("[]"), "is damaged", "已损坏"),
    ],
    ids=["gone", "weights", "settings"],
)
def test_why_a_reward_model_cannot_judge_is_said_in_both_languages(
    project: Project,
    candidate: PolicyVersion,
    teacher: RewardModelVersion,
    tiny_reward_model: Path,
    tmp_path: Path,
    harm: Callable[[Path], object],
    english: str,
    chinese: str,
) -> None:
    folder = tmp_path / "harmed"
    shutil.copytree(tiny_reward_model, folder)
    RewardModelVersion.objects.filter(pk=teacher.pk).update(path=str(folder))
    teacher.refresh_from_db()
    judging = start_judging(begin(project, candidate, prompts=2), teacher, 0)
    harm(folder)
    judge_next_pairs(judging.pk)
    judging.refresh_from_db()
    assert english in judging.reason_said
    with override("zh-hans"):
        assert chinese in judging.reason_said


def test_an_admin_has_a_judge_judge_and_reads_what_came_of_it(
    as_: As,  # noqa: F811
    server: Any,
    project: Project,
    candidate: PolicyVersion,
    owner: User,
    labeler: User,
) -> None:
    comparison = begin(project, candidate, prompts=4)
    judge(project, labeler, for_second=3)
    browser, page = as_(owner), reverse("comparison", args=[project.slug, comparison.pk])
    refused = browser.post(page, {"judge": "reward", "more": 5})
    assert refused.context["form"].errors["judge"]
    assert browser.post(page, {"judge": "server", "more": 5}).status_code == 302
    html = browser.get(page).content.decode()
    assert "0 of 9 pairs judged" in html
    assert "hx-get" in html
    work(Judging.objects.get())
    html = browser.get(page).content.decode()
    assert "both, combined" in html
    assert "hx-get" not in html  # nothing but people is waited for
    assert "says what people say on 100 % of 3 pairs" in html
    assert KEY not in html


def test_judgings_of_another_project_are_not_found(
    as_: As,  # noqa: F811
    server: Any,
    project: Project,
    candidate: PolicyVersion,
    stranger: User,
    labeler: User,
) -> None:
    judging = start_judging(begin(project, candidate, prompts=2), None, 0)
    pages = [
        reverse("comparison", args=[project.slug, judging.comparison_id]),
        reverse("judging_cancel", args=[project.slug, judging.pk]),
        reverse("judging_resume", args=[project.slug, judging.pk]),
    ]
    for user, status in ((stranger, 404), (labeler, 403)):
        assert [as_(user).post(page).status_code for page in pages] == [status] * 3
