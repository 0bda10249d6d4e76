"""Blind comparisons: two versions answer, people judge, the preferred one serves."""

import csv

import pytest
from django.urls import reverse

from annotation.models import Answer, Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.models.policy import ModelVersion
from annotation.selectors.comparisons import Standing, comparisons_of, met, standing_of
from annotation.services.assignments import skip_group
from annotation.services.comparisons import (
    ComparisonRefused,
    end_comparison,
    resume_comparison,
    start_comparison,
)
from annotation.services.groups import withdraw_group
from annotation.services.prompts import withdraw_prompts
from rewardmodel.models import Promotion, Rejection
from rewardmodel.services.comparisons import decide_comparisons
from rewardmodel.services.promotion import reject
from tests.annotation.desk import rank, take
from tests.pages.conftest import As, as_  # noqa: F401
from tests.people import champion
from tests.rewardmodel.comparing import answer_all, begin, judge
from tests.rewardmodel.runs import updated

Status = Comparison.Status


def test_each_version_writes_one_of_the_two_answers(
    project: Project, candidate: PolicyVersion
) -> None:
    comparison = begin(project, candidate, prompts=5)
    assert comparison.groups.filter(status=PromptGroup.Status.READY).count() == 5
    for group in comparison.groups.all():
        numbers = [answer.policy.number for answer in group.answers.all() if answer.policy]
        assert numbers == [0, 1]


def test_the_desk_says_nothing_of_versions(
    as_: As,  # noqa: F811
    project: Project,
    candidate: PolicyVersion,
    labeler: User,
) -> None:
    begin(project, candidate, prompts=1)
    html = as_(labeler).get(reverse("rank", args=[project.slug])).content.decode()
    assert "Answer 0 of " in html
    assert "olicy" not in html
    assert "omparison" not in html


def test_the_order_shown_is_shuffled(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    begin(project, candidate)
    orders = []
    for _ in range(12):
        orders.append(tuple(take(project, labeler)[0].shown_order))
        rank(project, labeler, {0: 1, 1: 2})
    assert set(orders) == {(0, 1), (1, 0)}


def test_a_comparison_ends_as_soon_as_people_are_sure_and_the_preferred_serves(
    as_: As,  # noqa: F811
    project: Project,
    candidate: PolicyVersion,
    labeler: User,
    owner: User,
) -> None:
    comparison = begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=6)
    decide_comparisons()
    comparison.refresh_from_db()
    assert comparison.status == Status.RUNNING
    judge(project, labeler, for_second=2)
    decide_comparisons()
    comparison.refresh_from_db()
    assert comparison.status == Status.SECOND
    assert champion(project) == candidate
    promotion = Promotion.objects.get()
    assert (promotion.by, promotion.comparison) == (None, comparison)
    html = as_(owner).get(reverse("versions", args=[project.slug])).content.decode()
    address = reverse("comparison", args=[project.slug, comparison.pk])
    assert f'<a href="{address}">by labelers</a>' in html
    assert not comparison.groups.filter(status=PromptGroup.Status.READY, rankings=None).exists()


def test_what_people_do_not_prefer_does_not_serve(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=0, for_first=8)
    decide_comparisons()
    comparison.refresh_from_db()
    assert (comparison.status, champion(project).number) == (Status.FIRST, 0)
    candidate.refresh_from_db()
    assert candidate.status == ModelVersion.Status.REJECTED
    assert candidate.gate_reason
    assert candidate.gate_reason["code"] == "people_prefer_other"
    assert Rejection.objects.get().comparison == comparison


def test_what_an_admin_rejected_meanwhile_does_not_serve_though_people_prefer_it(
    project: Project, candidate: PolicyVersion, labeler: User, owner: User
) -> None:
    begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=8)
    assert reject(candidate, by=owner)
    decide_comparisons()
    assert champion(project).number == 0


def test_without_a_clear_word_nothing_is_decided(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=6, for_first=6)
    decide_comparisons()
    comparison.refresh_from_db()
    assert (comparison.status, champion(project).number) == (Status.UNDECIDED, 0)
    candidate.refresh_from_db()
    assert candidate.status == ModelVersion.Status.CANDIDATE
    assert candidate.gate_reason
    assert candidate.gate_reason["code"] == "people_undecided"


def test_the_preferred_does_not_replace_a_version_that_it_never_met(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=8)
    project.policyversions.filter(number=0).update(status=ModelVersion.Status.RETIRED)
    other = PolicyVersion.objects.create(
        project=project, number=2, base_model="b", path="q", status=ModelVersion.Status.CHAMPION
    )
    decide_comparisons()
    assert champion(project) == other


def test_labelers_of_one_prompt_count_together_and_ties_for_neither(
    project: Project, candidate: PolicyVersion, labeler: User, owner: User
) -> None:
    project.overlap = 2
    project.save()
    comparison = begin(project, candidate, prompts=2)
    rank(project, labeler, {0: 2, 1: 1})
    rank(project, owner, {0: 1, 1: 2})
    rank(project, labeler, {0: 1, 1: 1})
    standing = standing_of(comparisons_of(project).get(pk=comparison.pk))
    assert standing == Standing(ties=2)
    assert standing.win_rate is None


def test_the_matrix_adds_up_all_comparisons_of_two(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    begin(project, candidate, prompts=3)
    judge(project, labeler, for_second=2, for_first=1)
    assert met(comparisons_of(project)) == {
        (0, 1): Standing(wins=2, losses=1),
        (1, 0): Standing(wins=1, losses=2),
    }


def test_prompts_on_which_the_two_have_met_are_not_asked_again(
    project: Project, candidate: PolicyVersion
) -> None:
    first = begin(project, candidate, prompts=12)
    with pytest.raises(ComparisonRefused, match="no held-out prompt left"):
        start_comparison(project, champion(project), candidate)
    end_comparison(first, Status.CANCELLED)
    project.prompts.update(split="train")
    with pytest.raises(ComparisonRefused):
        start_comparison(project, champion(project), candidate)


def test_two_running_comparisons_of_the_same_versions_are_refused(
    project: Project, candidate: PolicyVersion
) -> None:
    start_comparison(project, champion(project), candidate, prompts=2)
    with pytest.raises(ComparisonRefused, match="just now"):
        start_comparison(project, champion(project), candidate, prompts=2)


def test_a_policy_that_passed_its_gate_meets_the_one_that_serves_where_people_decide(
    ranked: Project,
) -> None:
    ranked.promotion = Project.Promotion.PEOPLE
    ranked.save()
    ranked.prompts.update(split="heldout")
    updated(ranked)
    comparison = Comparison.objects.get()
    assert (comparison.first.number, comparison.second.number) == (0, 1)
    assert comparison.promotes
    assert champion(ranked).number == 0


def test_where_an_admin_decides_a_policy_that_passed_waits(ranked: Project) -> None:
    ranked.promotion = Project.Promotion.ADMIN
    ranked.save()
    updated(ranked)
    assert champion(ranked).number == 0
    assert not Comparison.objects.exists()


def test_an_admin_compares_any_two_and_cancels(
    as_: As,  # noqa: F811
    project: Project,
    candidate: PolicyVersion,
    owner: User,
) -> None:
    browser, address = as_(owner), reverse("comparisons", args=[project.slug])
    asked = {"first": champion(project).pk, "second": candidate.pk, "prompts": 4}
    assert browser.post(address, {**asked, "second": asked["first"]}).context["form"].errors
    assert browser.post(address, asked).status_code == 302
    comparison = Comparison.objects.get()
    assert (comparison.started_by, comparison.groups.count()) == (owner, 4)
    browser.post(reverse("comparison_cancel", args=[project.slug, comparison.pk]))
    comparison.refresh_from_db()
    assert comparison.status == Status.CANCELLED
    assert not Answer.objects.exists()
    assert set(comparison.groups.values_list("status", flat=True)) == {"withdrawn"}


def test_a_cancelled_comparison_goes_on_with_what_nobody_had_judged(
    as_: As,  # noqa: F811
    project: Project,
    candidate: PolicyVersion,
    owner: User,
    labeler: User,
) -> None:
    comparison = begin(project, candidate, prompts=3)
    judge(project, labeler, for_second=1)
    browser = as_(owner)
    browser.post(reverse("comparison_cancel", args=[project.slug, comparison.pk]))
    assert not comparison.groups.filter(status=PromptGroup.Status.READY, rankings=None).exists()
    browser.post(reverse("comparison_resume", args=[project.slug, comparison.pk]))
    comparison.refresh_from_db()
    assert (comparison.status, comparison.finished_at) == (Status.RUNNING, None)
    judge(project, labeler, for_second=2)
    standing = standing_of(comparisons_of(project).get(pk=comparison.pk))
    assert (standing.wins, standing.open) == (3, 0)


def test_what_neither_version_had_answered_is_asked_for_when_it_goes_on(
    project: Project, candidate: PolicyVersion
) -> None:
    comparison = start_comparison(project, champion(project), candidate, prompts=2)
    end_comparison(comparison, Status.CANCELLED)
    resume_comparison(comparison)
    assert len(answer_all(project)) == 4  # one by each version
    assert comparison.groups.filter(status=PromptGroup.Status.READY).count() == 2


def test_what_an_admin_has_taken_out_stays_out_when_it_goes_on(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, prompts=3)
    assignment, token = take(project, labeler)
    skip_group(labeler, token, "unclear")
    withdraw_group(assignment.group)
    other = comparison.groups.exclude(pk=assignment.group_id)[0]
    withdraw_prompts(project, [other.prompt_id])
    end_comparison(comparison, Status.CANCELLED)
    resume_comparison(comparison)
    assert comparison.groups.filter(status=PromptGroup.Status.READY).count() == 1


def test_a_comparison_of_which_nothing_is_left_does_not_go_on(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, prompts=1)
    judge(project, labeler, for_second=1)
    end_comparison(comparison, Status.CANCELLED)
    with pytest.raises(ComparisonRefused, match="left to judge"):
        resume_comparison(comparison)
    comparison.refresh_from_db()
    assert comparison.status == Status.CANCELLED


def test_it_does_not_go_on_beside_another_one_of_the_same_versions(
    project: Project, candidate: PolicyVersion
) -> None:
    comparison = begin(project, candidate, prompts=2)
    end_comparison(comparison, Status.CANCELLED)
    start_comparison(project, champion(project), candidate, prompts=2)
    with pytest.raises(ComparisonRefused, match="just now"):
        resume_comparison(comparison)
    assert not comparison.groups.filter(status=PromptGroup.Status.READY).exists()


def test_what_people_decided_does_not_go_on(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, prompts=12)
    judge(project, labeler, for_second=10)
    decide_comparisons()
    resume_comparison(comparison)
    comparison.refresh_from_db()
    assert comparison.status == Status.SECOND


def test_who_beats_whom_is_a_csv_file(
    as_: As,  # noqa: F811
    project: Project,
    candidate: PolicyVersion,
    owner: User,
    labeler: User,
) -> None:
    begin(project, candidate, prompts=3)
    judge(project, labeler, for_second=2, for_first=1)
    address = reverse("matrix_csv", args=[project.slug])
    browser = as_(owner)
    assert address in browser.get(reverse("comparisons", args=[project.slug])).content.decode()
    heading, *rows = csv.reader(browser.get(address).content.decode().splitlines())
    assert heading == [
        *("version", "against", "wins", "losses", "ties", "open"),
        *("win_rate", "low", "high"),
    ]
    assert [row[:6] for row in rows] == [
        ["1", "0", "2", "1", "0", "0"],
        ["0", "1", "1", "2", "0", "0"],
    ]
    assert all(float(row[7]) < float(row[6]) < float(row[8]) for row in rows)
    assert as_(labeler).get(address).status_code == 403
