"""Which of the answers that were drawn labelers see."""

import random
from pathlib import Path

import pytest

from annotation.models import Project, Prompt, PromptGroup, User
from annotation.selectors.rankings import group_rows
from annotation.services import groups
from annotation.services.assignments import take_assignment
from rewardmodel.rehearsal.labelers import rank_everything
from rewardmodel.selectors import drawn_groups, is_behind, rankings_so_far
from rewardmodel.services.live_head import follow_rankings
from tests.people import new_answers
from tests.rewardmodel.conftest import rank_groups
from tests.rewardmodel.teachers import likes_later_letters

pytestmark = pytest.mark.django_db(transaction=True)
DRAWN, SHOWN = 6, 2


def draw(project: Project, count: int) -> None:
    """So many groups of DRAWN answers each, of which SHOWN are to be picked."""
    project.queue_target, project.answers_per_group = count, SHOWN
    project.save()
    groups.top_up(project)
    while claimed := groups.claim_groups(project.pk, limit=10):
        for group in claimed:
            groups.store_answers(group, new_answers(DRAWN), sampling={"temperature": 1.0})


def follow(project: Project) -> None:
    while follow_rankings(project):
        pass


@pytest.fixture
def judged(taught: Project, labeler: User) -> Project:
    """Twenty-four groups ranked, of six answers each."""
    rank_groups(taught, labeler, 24)
    return taught


def test_more_answers_than_are_shown_wait_until_some_are_picked(
    taught: Project, labeler: User
) -> None:
    draw(taught, 3)
    assert drawn_groups(taught).count() == 3
    assert take_assignment(taught, labeler) is None
    assert is_behind(taught)


def test_before_anything_was_learned_chance_picks(taught: Project, labeler: User) -> None:
    draw(taught, 3)
    follow(taught)
    assert not drawn_groups(taught).exists()
    assignment = take_assignment(taught, labeler)
    assert assignment is not None
    assert sorted(assignment.shown_order) == list(range(SHOWN))
    opened = PromptGroup.objects.filter(status=PromptGroup.Status.READY)
    assert {group.picked for group in opened} == {PromptGroup.Picked.CHANCE}
    assert all(group.answers.count() == SHOWN for group in opened)


def test_what_a_labeler_sees_stands_in_the_data(taught: Project, labeler: User) -> None:
    draw(taught, 1)
    follow(taught)
    rank_everything(taught, [labeler], likes_later_letters, 0.0, random.Random(0))
    _, newest = rankings_so_far(taught)
    [row] = group_rows(taught, newest)
    assert row["picked"] == "chance"
    assert len(row["answers"]) == SHOWN


def test_the_best_of_those_drawn_are_shown_where_the_project_wants_it(judged: Project) -> None:
    judged.pick = Project.Pick.REWARD
    judged.save()
    draw(judged, 20)
    follow(judged)
    best = PromptGroup.objects.filter(picked=PromptGroup.Picked.REWARD)
    assert best.count() >= 5
    for group in best:
        texts = {answer.text for answer in group.answers.all()}
        assert texts == {f"Answer **{n}** in full." for n in (DRAWN - 1, DRAWN - 2)}


@pytest.mark.parametrize("pick", [Project.Pick.REWARD, Project.Pick.INFORMATION])
def test_a_text_that_was_drawn_twice_is_shown_once(judged: Project, pick: str) -> None:
    judged.pick = pick
    judged.save()
    draw(judged, 10)
    for group in drawn_groups(judged):
        group.answers.exclude(position=0).update(text="The same.")
    follow(judged)
    opened = PromptGroup.objects.filter(answer_count=SHOWN, status=PromptGroup.Status.READY)
    assert opened.count() == 10
    for group in opened:
        assert len({answer.text for answer in group.answers.all()}) == SHOWN


def test_chance_picks_for_held_out_prompts_and_for_a_share_of_the_others(judged: Project) -> None:
    draw(judged, 20)
    follow(judged)
    picked = {
        split: list(
            PromptGroup.objects.filter(prompt__split=split, answer_count=SHOWN).values_list(
                "picked", flat=True
            )
        )
        for split in Prompt.Split.values
    }
    assert set(picked["heldout"]) == {"chance"}
    assert set(picked["train"]) == {"chance", "information"}


def test_a_head_that_cannot_be_fitted_keeps_nobody_waiting(
    judged: Project, tmp_path: Path, labeler: User
) -> None:
    judged.policyversions.update(base_model=str(tmp_path / "gone"))
    draw(judged, 3)
    follow(judged)
    assert not drawn_groups(judged).exists()
    assert take_assignment(judged, labeler) is not None


def test_a_group_is_picked_for_once(taught: Project) -> None:
    draw(taught, 1)
    [group] = drawn_groups(taught)
    assert groups.pick_answers(group, [5, 2], PromptGroup.Picked.CHANCE)
    assert not groups.pick_answers(group, [0, 1], PromptGroup.Picked.CHANCE)
    kept = group.answers.order_by("position")
    assert [answer.position for answer in kept] == [0, 1]
    assert [answer.text for answer in kept] == ["Answer **2** in full.", "Answer **5** in full."]
