"""Taking data out: who may, the preview, the file that a worker makes, its link."""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.exchange.files import sha256_of
from annotation.exchange.writing.formats import FORMATS
from annotation.exchange.writing.wanted import Wanted
from annotation.judgment.judgment import AnswerRating, BetterAnswer
from annotation.models import Export, Project, Ranking, User
from annotation.services.demonstrations import write_demonstration
from annotation.services.exports import ask_for_export, write_next_export
from annotation.services.imports import begin_to_add
from annotation.services.jobs import (
    NotHeld,
    Progress,
    cancel,
    delete,
    delete_old,
    end_with_file,
    link_token,
    workplace,
)
from annotation.services.people import remove_member
from annotation.services.prompts import tag_prompts
from annotation.services.uploads import receive_file, work_on_upload
from tests.annotation.desk import rank, set_overlap
from tests.pages.conftest import As
from tests.pages.test_api import ROOT, Api
from tests.people import ask, member, ready_group

pytestmark = pytest.mark.django_db(transaction=True)


def page(project: Project, *more: object, name: str = "exports") -> str:
    return reverse(name, args=[project.slug, *more])


def taken_out(browser: Client, project: Project, made_as: str = "groups", **asked: Any) -> Export:
    """What a worker made of it."""
    response = browser.post(page(project), {"format": made_as, **asked})
    assert response.status_code == 302, response.context["form"].errors
    assert write_next_export()
    return project.exports.latest("id")


def lines(export: Export) -> list[Any]:
    return [json.loads(line) for line in export.file.read_text().splitlines()]


@pytest.fixture
def ranked(project: Project, labeler: User) -> Project:
    ready_group(project)
    rank(
        project,
        labeler,
        {0: 1, 1: 2, 2: 2},
        comment="Clear.",
        ratings={1: AnswerRating(None, ("opinion",))},
        better=BetterAnswer("Boil it for 7 minutes.", 0, is_first=True),
    )
    return project


@pytest.mark.parametrize("name", ["exports", "export_file", "export_cancel", "export_delete"])
def test_only_a_projects_admins_take_out(
    as_: As, ranked: Project, stranger: User, labeler: User, owner: User, name: str
) -> None:
    export = taken_out(as_(owner), ranked)
    address = page(ranked, *([] if name == "exports" else [export.pk]), name=name)
    ask = "post" if name in ("export_cancel", "export_delete") else "get"
    assert getattr(as_(stranger), ask)(address).status_code == 404
    assert getattr(as_(labeler), ask)(address).status_code == 403
    assert getattr(Client(), ask)(address).url.startswith("/login/")


def test_the_preview_shows_rows_and_writes_nothing(as_: As, ranked: Project, admin: User) -> None:
    html = as_(admin).get(page(ranked), {"format": "trl_preference"}).content.decode()
    assert "1 ranked group is read." in html
    assert "&quot;chosen&quot;" in html
    assert "ties: tied answers are no pair" in html
    assert not Export.objects.exists()


def test_a_preview_of_nothing_says_so(as_: As, ranked: Project, admin: User) -> None:
    asked = {"format": "groups", "language": "xx"}
    assert "Nothing matches" in as_(admin).get(page(ranked), asked).content.decode()


@pytest.mark.parametrize("asked", [{"format": "?"}, {"format": "groups", "agreement": "7"}])
def test_what_cannot_be_made_is_refused(
    as_: As, ranked: Project, admin: User, asked: dict[str, str]
) -> None:
    assert as_(admin).post(page(ranked), asked).context["form"].errors
    assert not Export.objects.exists()


def test_the_native_file_holds_all_that_was_said(as_: As, ranked: Project, owner: User) -> None:
    export = taken_out(as_(owner), ranked)
    [row] = lines(export)
    [said] = row["rankings"]
    assert said["ranks"] == [1, 2, 2]
    assert said["flags"] == [[], ["opinion"], []]
    assert said["comment"] == "Clear."
    assert said["better"] == {"text": "Boil it for 7 minutes.", "source": 0, "is_first": True}
    assert sorted(said["letters"]) == ["A", "B", "C"]
    assert row["sources"][0]["policy"] == 0
    assert (export.rows, export.left_out) == (1, 0)


@pytest.mark.parametrize("made_as", FORMATS)
def test_every_format_is_made_of_real_rankings(
    as_: As, ranked: Project, owner: User, made_as: str
) -> None:
    write_demonstration(ranked.prompts.get(), owner, "In water.")
    export = taken_out(as_(owner), ranked, made_as)
    held = made_as not in ("argilla", "label_studio")  # which know no ties
    assert (export.status, export.rows > 0) == ("done", held)
    assert export.left_out == (not held)


def test_labelers_are_pseudonyms_that_differ_from_file_to_file(
    as_: As, ranked: Project, labeler: User, owner: User
) -> None:
    set_overlap(ranked, 2)
    rank(ranked, owner)
    files = [lines(taken_out(as_(owner), ranked)) for _ in range(2)]
    names = [{said["labeler"] for said in row["rankings"]} for [row] in files]
    assert [len(each) for each in names] == [2, 2]
    assert not names[0] & names[1]
    assert owner.username not in str(files)


def test_a_labeler_who_left_is_in_the_file_and_can_be_chosen(
    as_: As, ranked: Project, labeler: User, owner: User
) -> None:
    remove_member(ranked.memberships.get(user=labeler))
    assert taken_out(as_(owner), ranked, labeler=labeler.pk).rows == 1
    assert taken_out(as_(owner), ranked, labeler=owner.pk).rows == 0


def test_days_are_inclusive(as_: As, ranked: Project, owner: User) -> None:
    today = timezone.localdate()
    assert taken_out(as_(owner), ranked, since=today, until=today).rows == 1
    assert taken_out(as_(owner), ranked, until=today - timedelta(days=1)).rows == 0


def test_a_download_has_its_checksum_and_a_name(as_: As, ranked: Project, owner: User) -> None:
    export = taken_out(as_(owner), ranked, "triples_csv")
    response = as_(owner).get(page(ranked, export.pk, name="export_file"))
    assert b"".join(response) == export.file.read_bytes()
    assert response["X-Content-SHA256"] == export.sha256
    assert "kitchen-triples-csv-" in response["Content-Disposition"]


def test_a_link_opens_the_file_without_a_login_until_it_is_deleted(
    as_: As, ranked: Project, owner: User
) -> None:
    export = taken_out(as_(owner), ranked)
    address = reverse("export_link", args=[link_token(export)])
    assert address in as_(owner).get(page(ranked)).content.decode()
    assert Client().get(address).status_code == 200
    as_(owner).post(page(ranked, export.pk, name="export_delete"))
    assert Client().get(address).status_code == 404
    assert not export.file.exists()


def test_a_forged_link_leads_nowhere(as_: As, ranked: Project, owner: User) -> None:
    export = taken_out(as_(owner), ranked)
    assert Client().get(reverse("export_link", args=[export.key.hex])).status_code == 404


def test_a_link_leads_nowhere_once_its_project_is_to_be_deleted(
    as_: As, ranked: Project, owner: User
) -> None:
    export = taken_out(as_(owner), ranked)
    now = timezone.now()
    Project.objects.update(is_active=False, archived_at=now, deletion_asked_at=now)
    assert Client().get(reverse("export_link", args=[link_token(export)])).status_code == 404


def test_a_link_leads_nowhere_when_its_week_is_over(as_: As, ranked: Project, owner: User) -> None:
    export = taken_out(as_(owner), ranked)
    Export.objects.update(finished_at=F("finished_at") - Export.KEPT)
    assert Client().get(reverse("export_link", args=[link_token(export)])).status_code == 404


@pytest.fixture(params=["its week is over", "its file was removed"])
def gone(as_: As, ranked: Project, owner: User, request: pytest.FixtureRequest) -> Export:
    export = taken_out(as_(owner), ranked)
    if request.param == "its file was removed":
        export.file.unlink()
    else:
        Export.objects.update(finished_at=F("finished_at") - Export.KEPT)
    return export


def test_a_file_that_is_gone_is_offered_nowhere(
    as_: As, ranked: Project, owner: User, gone: Export
) -> None:
    link = reverse("export_link", args=[link_token(gone)])
    file = page(ranked, gone.pk, name="export_file")
    assert [Client().get(link).status_code, as_(owner).get(file).status_code] == [404, 404]
    html = as_(owner).get(page(ranked)).content.decode()
    assert "Its file is gone" in html
    assert link not in html
    assert file not in html


def test_programs_are_told_that_a_file_is_gone(ranked: Project, owner: User, gone: Export) -> None:
    api, address = Api(owner, "read"), f"/projects/{ranked.slug}/exports/{gone.pk}"
    told = api.get(address).json()
    assert (told["status"], told["link"]) == ("done", None)
    assert told["problem"].startswith("Its file is gone")
    refused = api.get(f"{address}/file")
    assert (refused.status_code, refused.json()["detail"]) == (409, told["problem"])


def test_old_files_are_deleted(as_: As, ranked: Project, owner: User) -> None:
    export = taken_out(as_(owner), ranked)
    delete_old(Export)
    assert export.file.exists()
    Export.objects.update(finished_at=F("finished_at") - Export.KEPT)
    delete_old(Export)
    assert not export.file.exists()
    assert not Export.objects.exists()


def test_a_cancelled_export_leaves_no_file(as_: As, ranked: Project, owner: User) -> None:
    as_(owner).post(page(ranked), {"format": "groups"})
    export = ranked.exports.get()
    as_(owner).post(page(ranked, export.pk, name="export_cancel"))
    assert not write_next_export()
    export.refresh_from_db()
    assert (export.status, export.file.exists()) == ("cancelled", False)


def test_one_is_written_at_a_time_and_a_dead_workers_is_taken_over(
    as_: As, ranked: Project, owner: User
) -> None:
    for _ in range(2):
        as_(owner).post(page(ranked), {"format": "groups"})
    second, first = ranked.exports.all()
    soon = timezone.now() + timedelta(seconds=50)
    Export.objects.filter(pk=first.pk).update(
        status="writing", claim="00000000-0000-0000-0000-000000000001", claimed_until=soon
    )
    assert not write_next_export()
    Export.objects.filter(pk=first.pk).update(claimed_until=timezone.now() - timedelta(1))
    assert write_next_export()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("done", "waiting")


def claimed(ranked: Project, owner: User) -> Export:
    """As the worker that makes it knows it."""
    export = ask_for_export(ranked, owner, FORMATS["groups"], Wanted())
    Export.objects.update(status="writing", claim=uuid4())
    export.refresh_from_db()
    return export


def test_how_far_one_is_is_shown_once_its_length_is_known(
    as_: As, ranked: Project, owner: User
) -> None:
    claimed(ranked, owner)
    assert '<progress aria-label="Progress">' in as_(owner).get(page(ranked)).content.decode()
    Export.objects.update(read=1, total=4)
    assert '<progress max="4" value="1"' in as_(owner).get(page(ranked)).content.decode()


def test_a_worker_that_was_late_leaves_the_file_of_another_alone(
    ranked: Project, owner: User
) -> None:
    late = claimed(ranked, owner)
    Export.objects.update(claim=None)
    assert write_next_export()
    made = Export.objects.get()
    with workplace(late) as folder, (folder / "file").open("wb") as file:
        file.write(b"late")
        with pytest.raises(NotHeld):
            end_with_file(late, file, Progress())
    assert sha256_of(made.file) == made.sha256


def test_two_workers_do_not_share_a_folder(ranked: Project, owner: User) -> None:
    late = claimed(ranked, owner)
    with workplace(late) as first, workplace(claimed(ranked, owner)) as second:
        assert first != second


@pytest.mark.parametrize("end", [cancel, delete])
def test_what_a_dead_worker_left_goes_with_its_job(
    ranked: Project, owner: User, end: Callable[[Export], None]
) -> None:
    export = claimed(ranked, owner)
    with workplace(export) as folder:
        (folder / "part").write_text("p")
        end(export)
        assert not folder.exists()


def test_the_page_asks_as_often_whatever_was_taken_out(
    as_: As, ranked: Project, owner: User, django_assert_num_queries: Any
) -> None:
    browser = as_(owner)
    for _ in range(3):
        taken_out(browser, ranked)
    browser.get(page(ranked))
    with django_assert_num_queries(6):
        browser.get(page(ranked))


def test_scored_answers_are_narrowed_by_agreement_and_ties(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    browser = as_(owner)
    set_overlap(project, 2)
    other = member(project, "other")
    for question, second in (("Why?", {0: 1, 1: 2, 2: 3}), ("How?", {0: 3, 1: 2, 2: 2})):
        ready_group(project, question)
        rank(project, labeler, {0: 1, 1: 2, 2: 3})
        rank(project, other, second)

    def questions(**asked: Any) -> list[tuple[str, int]]:
        rows = lines(taken_out(browser, project, "triples", **asked))
        return sorted(Counter(row["question"] for row in rows).items())

    assert questions() == [("How?", 6), ("Why?", 6)]
    assert questions(without_ties="on") == [("How?", 3), ("Why?", 6)]
    assert questions(agreement="0.5") == [("Why?", 6)]


def test_the_library_of_others_reads_a_file_by_its_link_and_with_a_token(
    ranked: Project, owner: User, live_server: LiveServer, tmp_path: Path
) -> None:
    export = ask_for_export(ranked, owner, FORMATS["trl_preference"], Wanted())
    assert write_next_export()
    link = f"{live_server.url}{reverse('export_link', args=[link_token(export)])}"
    address = f"{live_server.url}{ROOT}/projects/{ranked.slug}/exports/{export.pk}/file"
    headers = {"Authorization": f"Bearer {Api(owner, 'read').secret}"}
    read = (
        "import sys, json, datasets; link, address, headers, folder = sys.argv[1:]; "
        "named = {'http': {'client_kwargs': {'headers': json.loads(headers)}}}; "
        "load = lambda file, **more: "
        "list(datasets.load_dataset('json', data_files=file, cache_dir=folder, **more)['train']); "
        "print(load(link)); print(load(address, storage_options=named))"
    )
    done = subprocess.run(
        [sys.executable, "-c", read, link, address, json.dumps(headers), str(tmp_path)],
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, again = map(ast.literal_eval, done.stdout.splitlines()[-2:])
    export.refresh_from_db()
    assert rows == again == lines(export)
    assert len(rows) == export.rows > 0


@pytest.mark.parametrize("made_as", ["groups", "triples", "trl_prompts", "sft"])
def test_files_are_narrowed_by_a_tag(as_: As, ranked: Project, owner: User, made_as: str) -> None:
    tag_prompts(ranked, [ranked.groups.get().prompt_id], ["easy", "客服"])
    browser = as_(owner)
    assert taken_out(browser, ranked, made_as, tag="Easy").rows
    assert not taken_out(browser, ranked, made_as, tag="eas").rows


def test_a_native_row_has_the_tags_that_an_import_gives_its_prompt(
    as_: As, ranked: Project, owner: User
) -> None:
    tag_prompts(ranked, [ranked.groups.get().prompt_id], ["easy", "客服"])
    export = taken_out(as_(owner), ranked)
    assert lines(export)[0]["tags"] == ["easy", "客服"]
    other = Project.objects.create(name="Other", slug="other")
    [upload] = receive_file(other, owner, SimpleUploadedFile("rows", export.file.read_bytes()))
    work_on_upload(upload.pk)
    upload.refresh_from_db()
    begin_to_add(upload, source="here", licence="MIT", has_consent=True, leaves_out=False)
    work_on_upload(upload.pk)
    assert other.prompts.get().tags == ["easy", "客服"]


@pytest.mark.parametrize("made_as", ["trl_prompts", "sft"])
def test_what_is_counted_before_the_file_is_made_is_what_matches(
    as_: As, project: Project, owner: User, made_as: str
) -> None:
    ask(project, "Why?", "How?", "Who?")
    why, how, who = project.prompts.order_by("id")
    for prompt in (why, how, who):
        write_demonstration(prompt, owner, "So.")
    project.prompts.filter(pk=how.pk).update(language="zh")
    project.prompts.filter(pk=who.pk).update(is_withdrawn=True)
    browser = as_(owner)
    preview = browser.get(page(project), {"format": made_as, "language": "zh"}).context["preview"]
    assert (preview["total"], len(preview["rows"])) == (1, 1)
    asked = {"format": "trl_prompts"}
    assert browser.get(page(project), asked).context["preview"]["total"] == 2


def test_the_preview_says_when_fewer_may_be_left(as_: As, ranked: Project, admin: User) -> None:
    asked = {"format": "groups", "without_ties": "on"}
    assert "may leave fewer" in as_(admin).get(page(ranked), asked).content.decode()


def test_written_answers_are_narrowed_by_author_and_day(
    as_: As, ranked: Project, owner: User, labeler: User
) -> None:
    browser, today = as_(owner), timezone.localdate()
    assert taken_out(browser, ranked, "sft", labeler=labeler.pk, since=today).rows == 1
    assert taken_out(browser, ranked, "sft", labeler=owner.pk).rows == 0
    assert taken_out(browser, ranked, "sft", until=today - timedelta(days=1)).rows == 0


@pytest.mark.parametrize(
    ("matching", "other"),
    [
        ({"policy": "0"}, {"policy": "1"}),
        ({"split": "train"}, {"split": "heldout"}),
        ({"language": "en"}, {"language": "zh"}),
        ({"judgments": "consensus"}, {"agreement": "0"}),
        ({"gold": ""}, {"gold": "on"}),
    ],
)
def test_each_filter_leaves_what_matches_alone(
    as_: As, ranked: Project, owner: User, matching: dict[str, str], other: dict[str, str]
) -> None:
    ranked.prompts.update(split="train", language="en")
    ranked.policyversions.create(number=1, base_model="b")
    browser = as_(owner)
    assert taken_out(browser, ranked, **matching).rows == 1
    assert taken_out(browser, ranked, **other).rows == 0


def test_a_consensus_stands_for_all_labelers(as_: As, ranked: Project, owner: User) -> None:
    [row] = lines(taken_out(as_(owner), ranked, judgments="consensus"))
    assert [said["labeler"] for said in row["rankings"]] == ["consensus"]


def test_gold_rankings_are_taken_out_alone(
    as_: As, ranked: Project, owner: User, labeler: User
) -> None:
    set_overlap(ranked, 2)
    rank(ranked, owner)
    Ranking.objects.filter(labeler=owner).update(given={"gold": True})
    [row] = lines(taken_out(as_(owner), ranked, gold="on"))
    assert [said["given"] for said in row["rankings"]] == [{"gold": True}]


@pytest.mark.parametrize("made_as", ["trl_prompts", "sft"])
def test_what_prompts_and_written_answers_lose_is_said(
    as_: As, ranked: Project, owner: User, made_as: str
) -> None:
    html = as_(owner).get(page(ranked), {"format": made_as}).content.decode()
    assert "This format cannot hold:" in html
    assert "known of the prompt: language, tags, split" in html
