"""Blind comparisons: two versions answer, people judge, the preferred one serves."""

import itertools
from typing import Any

import pytest
from django.urls import reverse

from annotation.models import Answer, Comparison, PolicyVersion, Project, PromptGroup, User
from annotation.models.policy import ModelVersion
from annotation.selectors.comparisons import Standing, comparisons_of, met, standing_of
from annotation.services.comparisons import ComparisonRefused, end_comparison, start_comparison
from annotation.services.groups import claim_groups, store_answers
from rewardmodel.models import Promotion
from rewardmodel.services.comparisons import decide_comparisons
from tests.annotation.desk import rank, take
from tests.pages.conftest import As, as_  # noqa: F401
from tests.people import ask, champion, new_answers
from tests.rewardmodel.runs import updated

Status = Comparison.Status


@pytest.fixture
def candidate(project: Project) -> PolicyVersion:
    ask(project, *(f"Question {number}?" for number in range(12)))
    project.prompts.update(split="heldout")
    return PolicyVersion.objects.create(
        project=project, number=1, parent=champion(project), base_model="b", path="p"
    )


def begin(project: Project, candidate: PolicyVersion, **asked: Any) -> Comparison:
    """Started, and answered by both."""
    comparison = start_comparison(project, champion(project), candidate, **asked)
    texts = itertools.count()
    while claimed_groups := claim_groups(project.pk, limit=4):
        for group in claimed_groups:
            [answer] = new_answers(1)
            own = type(answer)(f"Answer {next(texts)}.", (1, 2), "stop", 0)
            store_answers(group, [own], sampling={})
    return comparison


def judge(project: Project, labeler: User, *, for_second: int, for_first: int = 0) -> None:
    for ranks, times in (({0: 2, 1: 1}, for_second), ({0: 1, 1: 2}, for_first)):
        for _ in range(times):
            rank(project, labeler, ranks)


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
    assert "Answer 0." in html
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
    project: Project, candidate: PolicyVersion, labeler: User
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
    assert Promotion.objects.get().by is None
    assert not comparison.groups.filter(status=PromptGroup.Status.READY, rankings=None).exists()


def test_what_people_do_not_prefer_does_not_serve(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=0, for_first=8)
    decide_comparisons()
    comparison.refresh_from_db()
    assert (comparison.status, champion(project).number) == (Status.FIRST, 0)


def test_without_a_clear_word_nothing_is_decided(
    project: Project, candidate: PolicyVersion, labeler: User
) -> None:
    comparison = begin(project, candidate, promotes=True)
    judge(project, labeler, for_second=6, for_first=6)
    decide_comparisons()
    comparison.refresh_from_db()
    assert (comparison.status, champion(project).number) == (Status.UNDECIDED, 0)


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
