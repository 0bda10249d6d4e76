"""Files with a preview: read, looked at, added in the background, undone as a whole."""

import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from annotation.exchange.reading.mapping import Mapping, mapping_of
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
from annotation.selectors.previews import preview_of
from annotation.selectors.rankings import current_rankings, prompt_rows
from annotation.selectors.triples import triple_rows, triples
from annotation.selectors.uploads import built_on, imported_text, text_folder
from annotation.services import imports, uploads
from annotation.services.assignments import fit_assignments, take_assignment
from annotation.services.comparisons import start_comparison
from annotation.services.imports import (
    DECIDED_WITHIN,
    ImportRefused,
    begin_to_add,
    give_up,
    give_up_undecided,
    undo_import,
)
from annotation.services.mappings import name_columns, read_as_recognised, use_saved
from annotation.services.people import PersonRefused, add_member
from annotation.services.rankings import submit_ranking
from annotation.services.snapshots import take_groups_snapshot, take_text_snapshot
from annotation.services.upload_claims import claim
from annotation.services.uploads import receive_upload, work_on_upload
from rewardmodel.learning.core.snapshot import read_groups
from tests.annotation.desk import rank
from tests.people import answer_everything, ask, champion, ready_group

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


def test_of_many_dropped_columns_it_says_how_many_more_there_are(project: Project) -> None:
    extra = {f"column {number}": "x" for number in range(300)}
    preview = preview_of(received(project, jsonl(pair("Why?", **extra))))
    assert (len(preview.dropped), preview.more_dropped) == (200, 100)


def native(number: int, ranks: list[int], shown_order: list[int]) -> dict[str, object]:
    said = {"labeler": "ann", "ranks": ranks, "shown_order": shown_order}
    answers = [f"Answer {place}." for place in range(len(ranks))]
    return {"prompt": [{**ASKED, "content": str(number)}], "answers": answers, "rankings": [said]}


def test_rankings_in_the_order_shown_look_odd_whatever_the_file_s_order(project: Project) -> None:
    odd = jsonl(*(native(number, [3, 1, 2], [1, 2, 0]) for number in range(6)))
    assert "6 of 6 orders are the one in which the answers were shown" in said_of(project, odd)
    usual = jsonl(*(native(number, [1, 2, 3], [1, 2, 0]) for number in range(6)))
    assert "orders are the one" not in said_of(project, usual)


def battle(number: int, winner: str) -> dict[str, object]:
    answers = {"response_a": "One.", "response_b": "Two."}
    models = {"model_a": "m", "model_b": "n"}
    return {"prompt": f"{number}?", **answers, **models, "winner": winner}


def test_pairs_that_one_side_wins_look_odd_where_there_are_sides(project: Project) -> None:
    one_sided = jsonl(*(battle(number, "model_a") for number in range(30)))
    assert "better one in 30 of 30 pairs" in said_of(project, one_sided)
    mixed = jsonl(*(battle(number, f"model_{'ab'[number % 2]}") for number in range(30)))
    assert "same side" not in said_of(project, mixed)
    by_column = jsonl(*(pair(f"{number}?") for number in range(30)))
    assert "same side" not in said_of(project, by_column)


def test_rows_of_a_judged_file_that_nobody_judged_are_counted(project: Project) -> None:
    unjudged = {**native(1, [1, 2], [0, 1]), "rankings": []}
    assert "In 1 row: nobody judged the answers." in said_of(
        project, jsonl(unjudged, native(2, [1, 2], [0, 1]))
    )


def said_of(project: Project, content: bytes) -> str:
    return " ".join(preview_of(received(project, content)).suspicions)


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


def test_raw_text_is_not_undone_when_a_training_has_read_it(project: Project) -> None:
    upload = added(received(project, jsonl({"text": "Once upon a time."})))
    assert not built_on(upload)
    take_text_snapshot(project, text_folder(project))
    with pytest.raises(ImportRefused, match="a training has read it"):
        undo_import(upload)


def test_a_text_snapshot_from_before_keeps_no_import_from_being_undone(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "earlier.txt").write_text("It was dark.")
    take_text_snapshot(project, tmp_path)
    assert not built_on(added(received(project, jsonl({"text": "Once upon a time."}))))


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


def test_it_is_not_undone_when_versions_were_compared_by_its_questions(project: Project) -> None:
    upload = added(received(project, jsonl({"prompt": "Why?"})))
    project.prompts.update(split="heldout")
    first = champion(project)
    second = project.policyversions.create(number=1, parent=first, base_model="b", path="p")
    start_comparison(project, first, second)
    with pytest.raises(ImportRefused, match="versions were compared by its questions"):
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


PAIR = {"prompt": "Why?", "chosen": "So.", "rejected": "No."}
OTHERWISE = Mapping({"prompt": "prompt", "chosen": "rejected", "rejected": "chosen"})


def test_what_was_said_over_a_known_shape_holds_for_the_next_file(project: Project) -> None:
    name_columns(received(project, jsonl(PAIR)), OTHERWISE)
    upload = received(project, jsonl({**PAIR, "prompt": "Who?"}))
    assert (upload.status, upload.named and mapping_of(upload.named)) == (
        Status.WAITING,
        OTHERWISE,
    )
    added(upload)
    group = project.groups.get()
    texts = dict(group.answers.values_list("text", "position"))
    assert {t: group.rankings.get().ranks[p] for t, p in texts.items()} == {"No.": 1, "So.": 2}
    assert received(project, jsonl({**PAIR, "id": 1})).named is None


def test_what_left_nothing_to_read_does_not_hold_for_the_next_file(project: Project) -> None:
    meanings = {"prompt": "prompt", "chosen": "answer", "rejected": "winner"}
    first = received(project, jsonl(PAIR))
    name_columns(first, Mapping(meanings))
    assert worked(first).status == Status.REFUSED
    assert received(project, jsonl({**PAIR, "prompt": "Who?"})).status == Status.WAITING


def test_a_file_is_read_as_recognised_again_and_so_is_the_next(project: Project) -> None:
    name_columns(received(project, jsonl(PAIR)), OTHERWISE)
    upload = received(project, jsonl(PAIR))
    read_as_recognised(upload)
    assert worked(upload).named is None
    again = received(project, jsonl(PAIR))
    assert (again.named, again.report["shape"]) == (None, upload.report["shape"])


def test_a_saved_meaning_reads_a_file_with_other_columns_beside_it(project: Project) -> None:
    first = received(project, b"q;x;y\nWhy?;a;b\nWho?;c;d\n")
    meanings = {"q": "prompt", "x": "chosen", "y": "rejected"}
    name_columns(first, Mapping(meanings), save_as="Ours")
    saved = project.saved_mappings.get()
    upload = received(project, b"y;z;x;q\nb;1;a;When?\nd;2;c;Where?\n")
    use_saved(upload, saved)
    upload = worked(upload)
    assert upload.status == Status.WAITING
    meant = {"y": "rejected", "z": "", "x": "chosen", "q": "prompt"}
    assert upload.named and dict(upload.named["columns"]) == meant  # noqa: PT018
    assert upload.report["counts"]["rankings"] == 2
    lacking = received(project, b"y;z\nb;1\nd;2\n")
    with pytest.raises(ImportRefused, match="Say which column holds the question"):
        use_saved(lacking, saved)


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
    Ranking.objects.update(is_informed=True)
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


def written(project: Project, name: str) -> bytes:
    """All of it in the format."""
    form = FORMATS[name]
    rows = {
        "groups": native_groups(project, current_rankings(project), uuid.uuid4()),
        "triples": triple_rows(triples(project)),
        "prompts": prompt_rows(project),
        "demonstrations": iter([{"messages": [ASKED, {"role": "assistant", "content": "So."}]}]),
    }[form.source]
    return jsonl(*(row for native in rows for row in form.rows(native)))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_file_that_leaves_is_known_when_it_comes_back(
    project: Project, labeler: User, tmp_path: Path, name: str
) -> None:
    ready_group(project)
    rank(project, labeler)
    file = tmp_path / "rows.jsonl"
    file.write_bytes(written(project, name))
    found = look_at(file)
    assert found.is_readable
    assert [item for row in found.container.rows() for item in found.items(row)]


@pytest.mark.parametrize("name", ["arena", "argilla", "label_studio", "triples"])
def test_what_other_tools_take_comes_back_in_the_same_order(
    project: Project, labeler: User, name: str
) -> None:
    ready_group(project)
    rank(project, labeler, {0: 2, 1: 3, 2: 1})
    other = Project.objects.create(name="Other", slug="other")
    added(received(other, written(project, name)))
    assert orders(other) == orders(project) != []


def orders(project: Project) -> list[dict[str, int | None]]:
    """Of each ranking the rank of each answer."""
    return [
        dict(zip(ranking.group.answers.values_list("text", flat=True), ranking.ranks, strict=True))
        for ranking in current_rankings(project)
    ]


def test_tags_in_a_file_stay_with_its_prompts(project: Project) -> None:
    rows = [
        pair("One?", tags=["Maths", "hard question"]),
        pair("Two?", tags="maths, easy"),
        pair("Three?", tags=None),
        pair("Four?", tags=[{"name": "maths"}]),
    ]
    upload = added(received(project, jsonl(*rows)))
    assert [prompt.tags for prompt in project.prompts.order_by("id")] == [
        ["hard-question", "maths"],
        ["easy", "maths"],
        [],
        [],
    ]
    assert dict(upload.report["fields"])["tags"] == "tags, kept with the prompt"
    assert upload.report["notes"] == {"“tags” holds no short words: it is left out": 1}


def test_tags_of_a_column_that_somebody_named_are_kept(project: Project) -> None:
    upload = received(project, b"frage;thema\nWhy?;maths easy\n")
    name_columns(upload, Mapping({"frage": "prompt", "thema": "tags"}))
    added(worked(upload))
    assert project.prompts.get().tags == ["easy", "maths"]
