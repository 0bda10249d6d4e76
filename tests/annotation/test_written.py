"""Answers that people write: better ones beside a ranking, and from scratch."""

import uuid
from dataclasses import asdict

import pytest

from annotation.exchange.shapes.ours import read_group
from annotation.exchange.triples import csv_lines
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Judgment
from annotation.models import PromptGroup, User
from annotation.selectors.demonstrations import demonstration_rows
from annotation.selectors.rankings import group_rows
from annotation.selectors.triples import triple_rows, triples
from annotation.services.assignments import fit_assignments
from annotation.services.demonstrations import write_demonstration
from annotation.services.drafts import draft_for
from annotation.services.revisions import revise_ranking, undo_last
from annotation.services.snapshots import take_groups_snapshot
from rewardmodel.learning.core.snapshot import read_groups
from tests.annotation.desk import BEST_FIRST, rank, take
from tests.people import member


def test_a_better_answer_is_a_demonstration_of_the_prompt(
    group: PromptGroup, labeler: User
) -> None:
    better = BetterAnswer("Eight minutes.", source=1, is_first=True)
    ranking = rank(group.project, labeler, better=better)
    written = ranking.demonstrations.get()
    assert (written.prompt, written.author, written.is_first) == (group.prompt, labeler, True)
    assert written.source is not None
    assert written.source.position == 1
    [row] = demonstration_rows(group.project)
    assert row["messages"][-1] == {"role": "assistant", "content": "Eight minutes."}


FIRST = BetterAnswer("Eight minutes.", is_first=True)


def test_an_answer_placed_before_all_is_one_more_answer_of_the_ranking(
    group: PromptGroup, labeler: User
) -> None:
    ranking = rank(group.project, labeler, {0: 1, 1: 2, 2: 2}, better=FIRST)
    [row] = group_rows(group.project, ranking.pk)
    assert row["answers"] == [*(answer.text for answer in group.answers.all()), "Eight minutes."]
    assert row["finish_reasons"] == ["stop", "stop", "stop", "written"]
    assert row["sources"][-2:] == [{"policy": 0}, {}]
    [said] = row["rankings"]
    assert (said["labeler"], said["ranks"]) == (f"labeler-{labeler.pk}", [2, 3, 3, 1])
    assert said["better"] == asdict(FIRST)


def test_labelers_who_never_saw_it_say_nothing_of_it(group: PromptGroup, labeler: User) -> None:
    project, other = group.project, member(group.project, "other")
    project.overlap = 2
    project.save()
    fit_assignments(project)
    rank(project, labeler, better=FIRST)
    last = rank(project, other, {0: 3, 1: 2, 2: 1}).pk
    shared, own = group_rows(project, last)
    assert (len(shared["answers"]), len(own["answers"])) == (3, 4)
    assert [r["labeler"] for r in shared["rankings"]] == [f"labeler-{other.pk}"]
    assert [r["labeler"] for r in own["rankings"]] == [f"labeler-{labeler.pk}"]
    assert own["id"] != shared["id"]


def test_each_answer_of_a_version_is_counted_once_however_many_rows_it_stands_in(
    group: PromptGroup, labeler: User
) -> None:
    project = group.project
    project.overlap = 3
    project.save()
    fit_assignments(project)
    rank(project, labeler, better=FIRST)
    rank(project, member(project, "other"))
    rank(project, member(project, "third"), better=FIRST)
    snapshot = take_groups_snapshot(project)
    data = read_groups(snapshot.file, heldout_percent=20)
    named = [number for row in [*data.train, *data.heldout] for number in row.policies]
    assert sorted(map(str, named)) == ["0"] * 3 + ["None"] * 8


def test_an_answer_whose_writer_is_not_named_comes_back_without_one() -> None:
    row = {"prompt": "Why?", "answers": ["So."], "sources": [{}], "rankings": []}
    assert read_group(row).candidates[0].author == ""


def test_reward_training_reads_it_as_the_best_answer(group: PromptGroup, labeler: User) -> None:
    ratings = {position: AnswerRating(quality=5, flags=("opinion",)) for position in range(3)}
    rank(group.project, labeler, better=FIRST, ratings=ratings)
    snapshot = take_groups_snapshot(group.project)
    data = read_groups(snapshot.file, heldout_percent=20)
    [row] = [*data.train, *data.heldout]
    assert row.answers[3] == "Eight minutes."
    assert row.counted[0].ranks == [2, 3, 4, 1]
    assert take_groups_snapshot(group.project).sha256 == snapshot.sha256


def test_it_is_a_triple_of_its_own_and_the_others_score_below_it(
    group: PromptGroup, labeler: User
) -> None:
    rank(group.project, labeler, better=FIRST)
    rows = sorted(triple_rows(triples(group.project)), key=lambda row: row["rank"])
    assert [row["score"] for row in rows] == [1, pytest.approx(1 / 3), pytest.approx(-1 / 3), -1]
    assert (rows[0]["answer"], rows[0]["policy"]) == ("Eight minutes.", None)
    assert rows[0]["finish_reason"] == "written"
    assert '"Eight minutes.","1.0","1"' in "".join(csv_lines(rows))


def test_ratings_still_score_the_answers_that_were_rated(group: PromptGroup, labeler: User) -> None:
    ratings = {0: AnswerRating(quality=7), 1: AnswerRating(quality=4), 2: AnswerRating(quality=1)}
    rank(group.project, labeler, better=FIRST, ratings=ratings)
    rows = sorted(triple_rows(triples(group.project)), key=lambda row: row["rank"])
    assert [row["score"] for row in rows] == [1, 1, 0, -1]


@pytest.mark.parametrize(
    "better",
    [BetterAnswer("Eight minutes."), BetterAnswer("Answer **1** in full.", 1, is_first=True)],
    ids=["not placed first", "the same as one that was shown"],
)
def test_what_is_not_better_than_all_is_a_demonstration_only(
    group: PromptGroup, labeler: User, better: BetterAnswer
) -> None:
    ranking = rank(group.project, labeler, better=better)
    [row] = group_rows(group.project, ranking.pk)
    assert len(row["answers"]) == ranking.triples.count() == 3
    assert row["rankings"][0]["better"]["text"] == better.text
    assert len(list(demonstration_rows(group.project))) == 1


def test_it_stays_in_its_ranking_when_the_author_answers_the_question_anew(
    group: PromptGroup, labeler: User
) -> None:
    ranking = rank(group.project, labeler, better=FIRST)
    write_demonstration(group.prompt, labeler, "Nine minutes.")
    [row] = group_rows(group.project, ranking.pk)
    assert row["answers"][3] == "Eight minutes."
    [written] = demonstration_rows(group.project)
    assert written["messages"][-1]["content"] == "Nine minutes."


def test_a_revision_without_it_takes_it_away(group: PromptGroup, labeler: User) -> None:
    old = rank(group.project, labeler, better=FIRST)
    new = revise_ranking(labeler, old.pk, Judgment(BEST_FIRST), key=uuid.uuid4())
    [row] = group_rows(group.project, new.pk)
    assert len(row["answers"]) == triples(group.project).count() == 3
    assert list(demonstration_rows(group.project)) == []
    undo_last(group.project, labeler)
    [row] = group_rows(group.project, new.pk)
    assert len(row["answers"]) == triples(group.project).count() == 4
    assert len(list(demonstration_rows(group.project))) == 1


def test_an_answer_written_since_holds_when_a_revision_without_one_is_undone(
    group: PromptGroup, labeler: User
) -> None:
    old = rank(group.project, labeler, better=FIRST)
    revise_ranking(labeler, old.pk, Judgment(BEST_FIRST), key=uuid.uuid4())
    write_demonstration(group.prompt, labeler, "Nine minutes.")
    assert undo_last(group.project, labeler) == old
    [row] = group_rows(group.project, old.pk)
    assert row["answers"][3] == "Eight minutes."
    [written] = demonstration_rows(group.project)
    assert written["messages"][-1]["content"] == "Nine minutes."


def test_an_undone_submit_takes_its_better_answer_along(group: PromptGroup, labeler: User) -> None:
    rank(group.project, labeler, better=BetterAnswer("Eight minutes.", source=1))
    undo_last(group.project, labeler)
    assert list(demonstration_rows(group.project)) == []
    assignment, _token = take(group.project, labeler)
    content = draft_for(assignment)
    assert content is not None
    assert content["better"] == "Eight minutes."
    assert content["better_source"] == str(assignment.shown_order.index(1) + 1)


def test_an_answer_from_before_the_ranking_holds_again_when_its_better_one_goes(
    group: PromptGroup, labeler: User
) -> None:
    write_demonstration(group.prompt, labeler, "Nine minutes.")
    old = rank(group.project, labeler, better=FIRST)
    revise_ranking(labeler, old.pk, Judgment(BEST_FIRST), key=uuid.uuid4())
    [written] = demonstration_rows(group.project)
    assert written["messages"][-1]["content"] == "Nine minutes."
    undo_last(group.project, labeler)
    [written] = demonstration_rows(group.project)
    assert written["messages"][-1]["content"] == "Eight minutes."
    undo_last(group.project, labeler)
    [written] = demonstration_rows(group.project)
    assert written["messages"][-1]["content"] == "Nine minutes."
