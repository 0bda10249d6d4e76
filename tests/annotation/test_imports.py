"""Files with a preview: read, looked at, added in the background, undone as a whole."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from annotation.exchange.reading.mapping import Mapping
from annotation.exchange.reading.reading import look_at
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.native import judgment_of
from annotation.judgment.judgment import AnswerRating, BetterAnswer, Highlight, Judgment
from annotation.models import (
    Assignment,
    Membership,
    Project,
    PromptGroup,
    PromptUpload,
    Ranking,
    Snapshot,
    Triple,
    User,
)
from annotation.selectors.exports import native_groups
from annotation.selectors.rankings import current_rankings, prompt_rows
from annotation.selectors.triples import triple_rows, triples
from annotation.selectors.uploads import built_on, imported_text, text_folder
from annotation.services import imports, uploads
from annotation.services.assignments import fit_assignments, take_assignment
from annotation.services.imports import (
    DECIDED_WITHIN,
    ImportRefused,
    begin_to_add,
    give_up,
    give_up_undecided,
    name_columns,
    undo_import,
)
from annotation.services.people import PersonRefused, add_member
from annotation.services.rankings import submit_ranking
from annotation.services.snapshots import take_groups_snapshot
from annotation.services.upload_claims import claim
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.learning.core.snapshot import read_groups
from tests.annotation.desk import rank
from tests.people import answer_everything, ask, ready_group

ASKED = {"role": "user", "content": "Why?"}

Status = PromptUpload.Status


def jsonl(*rows: object) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def pair(
    question: str, better: str = "Yes.", worse: str = "No.", **more: object
) -> dict[str, object]:
    return {"prompt": question, "chosen": better, "rejected": worse, **more}


PAIRS = jsonl(*(pair(f"Is {number} a number?") for number in range(5)))


def received(project: Project, content: bytes) -> PromptUpload:
    by = User.objects.get(username="owner")
    upload = receive_upload(project, by, [content], "data.jsonl", with_preview=True)
    return worked(upload)


def worked(upload: PromptUpload) -> PromptUpload:
    while work_on_upload(upload.pk):
        pass
    upload.refresh_from_db()
    return upload


def added(upload: PromptUpload, *, leaves_out: bool = False) -> PromptUpload:
    begin_to_add(upload, source="here", licence="MIT", has_consent=True, leaves_out=leaves_out)
    return worked(upload)


def test_nothing_is_written_before_somebody_has_looked(project: Project) -> None:
    upload = received(project, PAIRS)
    assert upload.status == Status.WAITING
    assert upload.report["shape"] == "preference pairs (TRL, OpenRLHF)"
    assert upload.report["counts"]["prompts"] == upload.report["counts"]["judged"] == 5
    assert not project.prompts.exists()


def test_pairs_become_judged_groups_by_a_pseudonym(project: Project) -> None:
    upload = added(received(project, PAIRS))
    assert upload.status == Status.DONE
    assert (upload.prompts, upload.added) == (5, 5)
    group = project.groups.earliest("id")
    assert [answer.text for answer in group.answers.all()] == ["Yes.", "No."]
    ranking = group.rankings.get()
    assert (ranking.ranks, ranking.labeler.username) == ([1, 2], f"file{upload.pk}")
    assert [triple.score for triple in ranking.triples.order_by("rank")] == [1.0, -1.0]
    assert (upload.source, upload.licence, upload.has_consent) == ("here", "MIT", True)
    assert not upload.file.exists()
    assert not upload.staged.exists()


def test_what_was_judged_elsewhere_is_not_offered_to_labelers(
    project: Project, labeler: User
) -> None:
    added(received(project, PAIRS))
    fit_assignments(project)
    assert take_assignment(project, labeler) is None


def test_answers_that_nobody_judged_are_offered_and_blind(project: Project, labeler: User) -> None:
    rows = [
        {"instruction": "Why?", "output": text, "generator": name}
        for text, name in (("Because.", "gpt-4"), ("So.", "llama"))
    ]
    added(received(project, jsonl(*rows)))
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    answers = assignment.group.answers.all()
    assert [(answer.text, answer.author) for answer in answers] == [
        ("Because.", "gpt-4"),
        ("So.", "llama"),
    ]
    token = assignment.token
    assert token is not None
    assert submit_ranking(labeler, Judgment({0: 2, 1: 1}), token=token).ranks == [2, 1]


def test_an_import_can_be_learned_from(project: Project) -> None:
    rows = [
        {"id": "1", "prompt": f"Question {n}?", "chosen": ["Best."], "rejected": ["One.", "Two."]}
        for n in range(20)
    ]
    added(received(project, jsonl(*rows)))
    data = read_groups(take_groups_snapshot(project).file, 20)
    assert len(data.train) + len(data.heldout) == 20
    assert not data.skipped
    [first, second] = data.train[0].rankings
    assert (first.ranks, second.ranks) == ([1, 2, None], [1, None, 2])


def test_a_partial_order_scores_only_what_was_compared(project: Project) -> None:
    row = {"prompt": "Which?", "chosen": ["Best."], "rejected": ["One.", "Two."]}
    added(received(project, jsonl(row)))
    ranking = Ranking.objects.get()
    assert ranking.compared == [[0, 1], [0, 2]]
    assert [triple.score for triple in Triple.objects.order_by("id")] == [1.0, -1.0, -1.0]


def test_nobody_logs_in_as_a_pseudonym_or_makes_it_a_member(project: Project) -> None:
    added(received(project, PAIRS))
    user = User.objects.get(is_foreign=True)
    assert not user.is_active
    assert not user.has_usable_password()
    with pytest.raises(PersonRefused):
        add_member(project, user.username, Membership.Role.LABELER)


def test_the_same_file_again_adds_nothing(project: Project) -> None:
    added(received(project, PAIRS))
    again = received(project, PAIRS)
    assert again.report["counts"]["here"] == 5
    again = added(again)
    assert (again.prompts, again.added) == (0, 0)
    assert project.groups.count() == 5


def test_bad_rows_keep_all_out_until_somebody_leaves_them_out(project: Project) -> None:
    upload = received(project, PAIRS + jsonl(pair("", "a", "b"), pair("Good?")))
    assert upload.report["counts"]["problems"] == 1
    with pytest.raises(ImportRefused):
        added(upload)
    assert added(upload, leaves_out=True).added == 6


def test_an_import_is_undone_as_a_whole(project: Project) -> None:
    ask(project, "Is 3 a number?")
    upload = added(received(project, PAIRS))
    undo_import(upload)
    assert worked(upload).status == Status.UNDONE
    assert project.prompts.count() == 1
    assert not project.groups.exists()
    assert not User.objects.filter(is_foreign=True).exists()


def test_it_is_not_undone_when_something_was_built_on_it(project: Project) -> None:
    upload = added(received(project, PAIRS))
    assert not built_on(upload)
    take_groups_snapshot(project)
    with pytest.raises(ImportRefused, match="a training has read it"):
        undo_import(upload)
    assert project.groups.count() == 5


def test_a_snapshot_from_elsewhere_keeps_no_import_from_being_undone(project: Project) -> None:
    upload = added(received(project, PAIRS))
    for kind in (Snapshot.Kind.PROMPTS, Snapshot.Kind.DEMONSTRATIONS):
        project.snapshots.create(kind=kind, path="x", rows=1, is_imported=True)
    assert not built_on(upload)


def test_it_is_not_undone_when_people_ranked_answers_to_its_questions(
    project: Project, labeler: User
) -> None:
    upload = added(received(project, jsonl({"prompt": "Why?"})))
    answer_everything(project)
    rank(project, labeler)
    with pytest.raises(ImportRefused, match="people have ranked"):
        undo_import(upload)


def test_an_import_in_the_middle_goes_on_without_duplicates(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "GROUPS", 2)
    monkeypatch.setattr(uploads, "TURN_SECONDS", 0.0)
    upload = received(project, PAIRS)
    begin_to_add(upload, source="", licence="", has_consent=True, leaves_out=False)
    work_on_upload(upload.pk)
    assert claim(upload.pk) is not None  # and this worker dies
    assert not work_on_upload(upload.pk)
    PromptUpload.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert worked(upload).status == Status.DONE
    assert project.groups.count() == upload.added == 5


def test_one_that_is_cancelled_while_it_adds_is_undone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "GROUPS", 2)
    monkeypatch.setattr(uploads, "TURN_SECONDS", 0.0)
    upload = received(project, PAIRS)
    begin_to_add(upload, source="", licence="", has_consent=True, leaves_out=False)
    work_on_upload(upload.pk)
    assert project.groups.count() == 2
    undo_import(upload)
    assert worked(upload).status == Status.UNDONE
    assert not project.prompts.exists()


def test_one_that_nobody_wants_goes_with_its_files(project: Project) -> None:
    upload = received(project, PAIRS)
    assert give_up(upload)
    assert not upload.file.exists()
    assert not upload.staged.exists()


def test_one_that_nobody_decided_on_goes_after_two_weeks_and_says_so(project: Project) -> None:
    upload, other = received(project, PAIRS), received(project, PAIRS)
    PromptUpload.objects.filter(pk=upload.pk).update(created_at=timezone.now() - DECIDED_WITHIN)
    give_up_undecided()
    upload.refresh_from_db()
    other.refresh_from_db()
    assert (upload.status, other.status) == (Status.CANCELLED, Status.WAITING)
    assert "within two weeks" in upload.problem_said
    assert (upload.file.exists(), other.file.exists()) == (False, True)


def test_unknown_columns_are_named_by_somebody(project: Project) -> None:
    rows = "Frage;Antwort A;Antwort B;besser\nWarum?;Darum.;Weil.;B\nWer?;Ich.;Du.;A\n"
    upload = received(project, rows.encode())
    assert upload.status == Status.MAPPING
    meanings = {"Frage": "prompt", "Antwort A": "answer", "Antwort B": "answer", "besser": "winner"}
    name_columns(upload, Mapping(meanings))
    upload = worked(upload)
    assert upload.status == Status.WAITING
    added(upload)
    assert [ranking.ranks for ranking in Ranking.objects.order_by("id")] == [[2, 1], [1, 2]]


def test_what_columns_mean_is_remembered_for_the_next_file(project: Project) -> None:
    rows = b"q;x;y\nWhy?;a;b\nWho?;c;d\n"
    meanings = {"q": "prompt", "x": "chosen", "y": "rejected"}
    name_columns(received(project, rows), Mapping(meanings))
    assert received(project, rows).report["guess"] == list(map(list, meanings.items()))


def test_demonstrations_are_stored_under_a_pseudonym(project: Project) -> None:
    added(received(project, jsonl({"instruction": "Say hi.", "input": "", "output": "Hi."})))
    demonstration = project.demonstrations.get()
    assert demonstration.text == "Hi."
    assert demonstration.author.is_foreign


def test_raw_text_is_put_where_stage_1_reads_it(project: Project) -> None:
    upload = added(received(project, jsonl({"text": "Once."}, {"text": "Twice."})))
    file = imported_text(upload)
    assert file.parent == text_folder(project)
    assert [json.loads(line)["text"] for line in file.read_text().splitlines()] == [
        "Once.",
        "Twice.",
    ]
    undo_import(upload)
    worked(upload)
    assert not file.exists()


def test_our_own_snapshot_comes_back_as_it_was(
    project: Project, labeler: User, owner: User
) -> None:
    ask(project, "One?", "Two?")
    answer_everything(project)
    rank(project, labeler)
    rank(project, labeler)
    file = take_groups_snapshot(project).file
    other = Project.objects.create(name="Other", slug="other")
    added(received(other, file.read_bytes()))
    before, after = (rows_of(take_groups_snapshot(each)) for each in (project, other))
    assert before == after


def rows_of(snapshot: Snapshot) -> list[tuple[object, ...]]:
    rows = map(json.loads, Path(snapshot.file).read_text().splitlines())
    return [(row["prompt"], row["answers"], [r["ranks"] for r in row["rankings"]]) for row in rows]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02", "null bytes"),
        ("你好，世界，这是什么？\n".encode("gb18030") * 9, "GB18030"),
        (b"PK\x03\x04rest", "zip"),
        (b"[" + b"[" * 100_000, "ends too early"),
        (b'{"prompt": "a", "chosen": ' + b"9" * 5000 + b', "rejected": "b"}', "number"),
    ],
    ids=["empty", "binary", "GB18030", "zip", "deep", "digits"],
)
def test_what_cannot_be_read_is_refused_with_a_sentence(
    project: Project, content: bytes, problem: str
) -> None:
    upload = received(project, content)
    assert upload.status == Status.REFUSED
    assert problem in upload.problem_said


def test_what_a_power_cut_broke_is_read_anew(project: Project) -> None:
    by = User.objects.get(username="owner")
    upload = receive_upload(project, by, [PAIRS], "data.jsonl", with_preview=True)
    upload.staged.write_bytes(b"SQLite format 3\0" + b"broken" * 999)
    assert worked(upload).status == Status.WAITING


def test_groups_of_an_import_do_not_keep_the_queue_full(project: Project) -> None:
    added(received(project, PAIRS))
    ask(project, "Mine?")
    assert len(answer_everything(project)) == project.queue_target


def test_an_open_group_of_ready_answers_has_as_many_turns_as_any(project: Project) -> None:
    project.overlap = 2
    project.save()
    upload = received(
        project, jsonl(*({"instruction": "Q", "output": t, "generator": "m"} for t in "ab"))
    )
    added(upload)
    group = PromptGroup.objects.get()
    assert group.status == PromptGroup.Status.READY
    assert Assignment.objects.filter(group=group).count() == 2


def test_what_was_taken_out_whole_comes_back_the_same_judgments(
    project: Project, labeler: User
) -> None:
    project.system_prompt = "Be brief."
    project.save()
    group = ready_group(project)
    group.answers.filter(position=2).update(finish_reason="length")
    PromptGroup.objects.update(system_prompt="Be brief.")
    highlight = Highlight(start=0, end=6, label="well_put", quote="Answer")
    rating = AnswerRating(6, ("opinion",), (highlight,))
    better = BetterAnswer("Boil it.", 1, is_first=True)
    said = {"comment": "Clear.", "ratings": {0: rating}, "marks": ("ambiguous",), "better": better}
    rank(project, labeler, {0: 1, 1: 1, 2: 2}, **said)
    salt = uuid.uuid4()
    [native] = native_groups(project, current_rankings(project), salt)
    other = Project.objects.create(name="Other", slug="other")
    added(received(other, jsonl(native)))
    [back] = native_groups(other, current_rankings(other), salt)
    for name in ("prompt", "system_prompt", "answers", "finish_reasons", "lang"):
        assert back[name] == native[name]
    told = [{**row["rankings"][0], "labeler": "", "ranked_at": ""} for row in (native, back)]
    assert told[0] == told[1]
    assert judgment_of(back["rankings"][0]) == judgment_of(native["rankings"][0])
    scores = [
        list(Triple.objects.filter(project=each).order_by("id").values_list("rank", "score"))
        for each in (project, other)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_file_that_leaves_is_known_when_it_comes_back(
    project: Project, labeler: User, tmp_path: Path, name: str
) -> None:
    ready_group(project)
    rank(project, labeler)
    form = FORMATS[name]
    rows = {
        "groups": native_groups(project, current_rankings(project), uuid.uuid4()),
        "triples": triple_rows(triples(project)),
        "prompts": prompt_rows(project),
        "demonstrations": iter([{"messages": [ASKED, {"role": "assistant", "content": "So."}]}]),
    }[form.source]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(jsonl(*(row for native in rows for row in form.rows(native))))
    found = look_at(file)
    assert found.is_readable
    assert [item for row in found.container.rows() for item in found.items(row)]
