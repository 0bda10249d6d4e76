"""Prompts, groups and triples: what goes in and what is taken out."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.exchange.triples import FIELDS, csv_lines
from annotation.judgment.judgment import Judgment
from annotation.models import Project, PromptGroup, Ranking, User
from annotation.selectors import pages
from annotation.services.assignments import take_assignment
from annotation.services.people import remove_member
from annotation.services.rankings import submit_ranking
from tests.pages.conftest import As
from tests.people import ask, member, ready_group


def page(project: Project, name: str, *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


def rank(project: Project, labeler: User) -> Ranking:
    assignment = take_assignment(project, labeler)
    assert assignment is not None
    assert assignment.token is not None
    return submit_ranking(labeler, Judgment({0: 1, 1: 2, 2: 3}), token=assignment.token)


def rows(browser: Client, project: Project, **asked: Any) -> list[dict[str, Any]]:
    """The triples that a JSONL download with this filter holds."""
    response = browser.get(page(project, "triples_file", "jsonl"), asked)
    return [json.loads(line) for line in response.getvalue().splitlines()]


def upload(browser: Client, project: Project, content: bytes, **data: Any) -> Any:
    file = SimpleUploadedFile("prompts.jsonl", content)
    return browser.post(page(project, "prompts"), {"file": file, **data})


# Prompts


def test_pasted_lines_become_prompts(as_: As, project: Project, owner: User) -> None:
    data = {"text": "First?\r\n\r\n第二个？", "language": "en"}
    as_(owner).post(page(project, "prompts"), data)
    contents = [prompt.messages[0]["content"] for prompt in project.prompts.order_by("id")]
    assert contents == ["First?", "第二个？"]
    assert set(project.prompts.values_list("language", flat=True)) == {"en"}


def test_an_instruction_to_the_model_is_no_turn(as_: As, project: Project, owner: User) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How do I boil an egg?"},
    ]
    upload(as_(owner), project, json.dumps({"prompt": messages}).encode())
    html = as_(owner).get(page(project, "prompts")).content.decode()
    assert '<td data-label="Turns" class="number">1</td>' in html


def test_an_uploaded_file_becomes_prompts(as_: As, project: Project, owner: User) -> None:
    conversation = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good morning"},
        {"role": "user", "content": "And now?"},
    ]
    line = json.dumps({"prompt": conversation, "lang": "en", "answers": 5})
    upload(as_(owner), project, f"\ufeff{line}\n".encode(), language="zh")
    prompt = project.prompts.get()
    assert (prompt.messages, prompt.language, prompt.answers_wanted) == (conversation, "en", 5)


def test_a_broken_line_is_named_and_nothing_is_added(
    as_: As, project: Project, owner: User
) -> None:
    html = upload(as_(owner), project, b'{"prompt": "Fine?"}\n{"prompt": 3}\n').content.decode()
    assert "Line 2:" in html
    assert "Nothing was added" in html
    assert not project.prompts.exists()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"prompt": 3}', "第 1 行：“prompt”必须是一段文本或一个消息列表。"),
        ('{"prompt": "x", "answers": 12}', "第 1 行：“answers”必须是 2 到 9 之间的整数。"),
        ('{"prompt": "x", "lang": NaN}', "第 1 行：这段 JSON 不能使用：含有不是有限值的数字。"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_chinese_too(
    as_: As, project: Project, owner: User, line: str, problem: str
) -> None:
    headers = {"accept-language": "zh-CN"}
    answer = as_(owner).post(page(project, "prompts"), {"text": line}, headers=headers)
    assert problem in answer.content.decode()


def test_a_file_that_is_not_utf8_is_refused(as_: As, project: Project, owner: User) -> None:
    html = upload(as_(owner), project, "你好".encode("gb18030")).content.decode()
    assert "The file is not UTF-8 text" in html


@pytest.mark.parametrize("data", [{}, {"text": "   "}])
def test_sending_nothing_is_refused(
    as_: As, project: Project, owner: User, data: dict[str, str]
) -> None:
    html = as_(owner).post(page(project, "prompts"), data).content.decode()
    assert "one of the two" in html


def test_known_prompts_are_counted_not_doubled(as_: As, project: Project, owner: User) -> None:
    ask(project, "First?")
    browser = as_(owner)
    html = browser.post(page(project, "prompts"), {"text": "First?\nSecond?"}, follow=True)
    assert "1 prompt added." in html.content.decode()
    assert "1 was there already." in html.content.decode()


def test_long_lists_are_paged(as_: As, project: Project, owner: User) -> None:
    ask(project, *(f"Question {number}?" for number in range(pages.PAGE_SIZE + 1)))
    browser = as_(owner)
    first = browser.get(page(project, "prompts"))
    older = first.context["page"].older
    second = browser.get(page(project, "prompts"), {"before": older})
    assert len(first.context["page"].rows) == pages.PAGE_SIZE
    assert len(second.context["page"].rows) == 1
    assert second.context["page"].older is None
    assert browser.get(page(project, "prompts"), {"before": "x'"}).status_code == 200


# Groups


def test_groups_are_shown_by_status_with_the_reason_of_failure(
    as_: As, project: Project, owner: User
) -> None:
    ready_group(project, "Fine?")
    bad = ready_group(project, "Broken?")
    PromptGroup.objects.filter(pk=bad.pk).update(status="failed", failure_reason="Out of memory.")
    html = as_(owner).get(page(project, "groups"), {"status": "failed"}).content.decode()
    assert "Broken?" in html
    assert "Out of memory." in html
    assert "Fine?" not in html


def test_a_group_that_needs_no_more_labelers_is_not_called_ready_to_rank(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    done = ready_group(project, "Done?")
    rank(project, labeler)
    ready_group(project, "Open?")
    browser, address = as_(owner), page(project, "groups")
    shown = {
        status: browser.get(address, {"status": status}).content.decode()
        for status in ("ready", "ranked")
    }
    assert "Open?" in shown["ready"]
    assert "Done?" not in shown["ready"]
    assert '<span class="badge good">ranked</span>' in shown["ranked"]
    assert "Open?" not in shown["ranked"]
    alone = browser.get(page(project, "group", done.pk))
    assert '<span class="badge good">ranked</span>' in alone.content.decode()
    chinese = browser.get(address, headers={"accept-language": "zh-CN"}).content.decode()
    assert '<span class="badge good">已排序</span>' in chinese
    assert '<span class="badge good">待排序</span>' in chinese


def test_an_unknown_status_shows_all_groups(as_: As, project: Project, owner: User) -> None:
    ready_group(project)
    response = as_(owner).get(page(project, "groups"), {"status": "lost"})
    assert len(response.context["page"].rows) == 1
    assert '<a href="?" aria-current="true">' in response.content.decode()


def test_failed_groups_are_tried_again(as_: As, project: Project, owner: User) -> None:
    group = ready_group(project)
    PromptGroup.objects.filter(pk=group.pk).update(status="failed", attempts=3)
    as_(owner).post(page(project, "groups_retry"))
    group.refresh_from_db()
    assert (group.status, group.attempts) == ("pending", 0)


def test_a_group_shows_its_answers_and_what_labelers_said(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    group = ready_group(project)
    rank(project, labeler)
    response = as_(owner).get(page(project, "group", group.pk))
    assert [judged.ranks for judged in response.context["answers"]] == [[1], [2], [3]]
    assert [judged.mean_score for judged in response.context["answers"]] == [1.0, 0.0, -1.0]
    assert "labeler" in response.content.decode()


# Triples


def test_triples_are_listed_with_question_answer_and_score(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    ready_group(project, "How do I boil an egg?")
    rank(project, labeler)
    html = as_(owner).get(page(project, "triples")).content.decode()
    for text in ("How do I boil an egg?", "Answer **0** in full.", "-1.00", "labeler"):
        assert text in html


def test_triples_are_filtered_by_each_field(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    second = member(project, "second")
    group = ready_group(project, "天为什么是蓝的？")
    rank(project, labeler)
    group.prompt.language, group.prompt.split = "zh", "heldout"
    group.prompt.save()
    other = ready_group(project, "How do I boil an egg?")
    other.prompt.split = "train"
    other.prompt.save()
    yesterday = timezone.now() - timedelta(days=1)
    late = rank(project, second)
    Ranking.objects.filter(pk=late.pk).update(created_at=yesterday)
    browser = as_(owner)
    day = timezone.localtime(yesterday).date()
    assert len(rows(browser, project)) == 6
    assert {row["labeler"] for row in rows(browser, project, labeler=second.pk)} == {"second"}
    assert {row["language"] for row in rows(browser, project, language="zh")} == {"zh"}
    assert {row["split"] for row in rows(browser, project, split="heldout")} == {"heldout"}
    assert [row["score"] for row in rows(browser, project, lowest=0.5)] == [1.0, 1.0]
    assert [row["score"] for row in rows(browser, project, highest=-0.5)] == [-1.0, -1.0]
    assert {row["question"] for row in rows(browser, project, q="蓝的")} == {"天为什么是蓝的？"}
    assert {row["answer"] for row in rows(browser, project, q="**2**")} == {"Answer **2** in full."}
    assert {row["labeler"] for row in rows(browser, project, until=day)} == {"second"}
    assert {row["labeler"] for row in rows(browser, project, since=timezone.localdate())} == {
        "labeler"
    }
    assert rows(browser, project, policy=0) == rows(browser, project)


def test_what_somebody_ranked_who_was_removed_since_is_filtered_and_taken_out(
    as_: As, project: Project, owner: User, labeler: User, stranger: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    remove_member(project.memberships.get(user=labeler))
    browser = as_(owner)
    response = browser.get(page(project, "triples"), {"labeler": labeler.pk})
    assert len(response.context["page"].rows) == 3
    assert {row["labeler"] for row in rows(browser, project, labeler=labeler.pk)} == {"labeler"}
    offered = response.context["form"].fields["labeler"].queryset
    assert {user.username for user in offered} == {"owner", "labeler"}


def test_the_filter_is_kept_from_page_to_page_and_taken_along_to_the_files(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    ready_group(project)
    rank(project, labeler)
    asked = {"lowest": "-0.5", "before": str(2**40)}
    html = as_(owner).get(page(project, "triples"), asked).content.decode()
    assert '<a class="button" href="?lowest=-0.5">Newest</a>' in html
    assert 'download.csv?lowest=-0.5"' in html


@pytest.mark.parametrize(
    "asked",
    [
        *({"lowest": "high"}, {"highest": "2"}, {"until": "9999-12-31"}, {"since": "0001-01-01"}),
        *({"labeler": "0"}, {"policy": "7"}, {"split": "both"}),
    ],
    ids=str,
)
def test_a_filter_that_makes_no_sense_shows_nothing_and_says_why(
    as_: As, project: Project, owner: User, asked: dict[str, str]
) -> None:
    browser = as_(owner)
    response = browser.get(page(project, "triples"), asked)
    assert response.context["form"].errors
    broken = browser.get(page(project, "triples_file", "csv"), asked)
    assert broken.status_code == 404


def test_the_csv_opens_in_a_spreadsheet(
    as_: As, project: Project, owner: User, labeler: User
) -> None:
    group = ready_group(project, "天为什么是蓝的？")
    group.answers.update(text="=1+1")
    rank(project, labeler)
    response = as_(owner).get(page(project, "triples_file", "csv"))
    content = response.getvalue().decode("utf-8-sig")
    table = list(csv.DictReader(io.StringIO(content)))
    assert len(table) == 3
    assert {row["question"] for row in table} == {"天为什么是蓝的？"}
    assert {row["answer"] for row in table} == {"'=1+1"}
    assert "attachment" in response.headers["Content-Disposition"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"])
def test_no_cell_of_the_csv_is_a_formula(start: str) -> None:
    row = dict.fromkeys(FIELDS, f"{start}1") | {"score": -0.5, "comment": "a, b; c"}
    [_names, *lines] = "".join(csv_lines([row])).split("\r\n", 1)
    [cells] = csv.DictReader(io.StringIO("".join(lines), newline=""), FIELDS)
    assert (cells["score"], cells["comment"]) == ("-0.5", "a, b; c")
    assert {cells[name] for name in FIELDS if name not in {"score", "comment"}} == {f"'{start}1"}


def test_every_cell_of_the_csv_is_quoted() -> None:
    row = dict.fromkeys(FIELDS, "a") | {"score": 1.0, "rank": None}
    [names, cells, _end] = "".join(csv_lines([row])).removeprefix("\ufeff").split("\r\n")
    for line in (names, cells):
        assert line.count('"') == 2 * len(FIELDS)


def test_an_unknown_file_form_is_not_there(as_: As, project: Project, owner: User) -> None:
    assert as_(owner).get(page(project, "triples_file", "exe")).status_code == 404
