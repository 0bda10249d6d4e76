"""Prompts as things one can manage: found, changed, withdrawn, put back, deleted."""

from typing import Any

import pytest
from django.urls import reverse

from annotation.exchange.prompts import NewPrompt
from annotation.exchange.tags import tags_of
from annotation.models import Project, Prompt, PromptGroup, User
from annotation.selectors.rankings import prompt_rows
from annotation.services.assignments import take_assignment
from annotation.services.demonstrations import write_demonstration
from annotation.services.groups import top_up
from annotation.services.prompts import add_prompts
from tests.annotation.desk import rank
from tests.pages.conftest import As
from tests.people import answer_everything, ask

EGG = [{"role": "user", "content": "How do I boil an egg?"}]


def page(project: Project, name: str = "prompts", *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


def change(as_: As, user: User, project: Project, action: str, *prompts: Prompt) -> Any:
    data = {"action": action, "prompt": [prompt.pk for prompt in prompts], "query": ""}
    return as_(user).post(page(project, "prompts_change"), data)


def found(as_: As, user: User, project: Project, **asked: str) -> list[str]:
    rows = as_(user).get(page(project), asked).context["page"].rows
    return sorted(row.messages[-1]["content"] for row in rows)


@pytest.fixture
def prompts(project: Project) -> list[Prompt]:
    """One that was answered, and two that were not."""
    project.queue_target = 1
    project.save()
    ask(project, "Answered?", "Junk,1,2", "Other?")
    answer_everything(project)
    return list(project.prompts.order_by("id"))


def test_labelers_and_strangers_change_no_prompts(
    as_: As, project: Project, prompts: list[Prompt], labeler: User, stranger: User
) -> None:
    assert change(as_, labeler, project, "delete", *prompts).status_code == 403
    assert change(as_, stranger, project, "delete", *prompts).status_code == 404
    for name, more in (("prompt", [prompts[1].pk]), ("prompt_write", [])):
        assert as_(labeler).get(page(project, name, *more)).status_code == 403
        assert as_(stranger).get(page(project, name, *more)).status_code == 404
    assert project.prompts.count() == 3


def test_they_are_found_by_words_and_by_state(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    assert found(as_, admin, project, q="junk") == ["Junk,1,2"]
    assert found(as_, admin, project, state="used") == ["Answered?"]
    assert found(as_, admin, project, state="unused") == ["Junk,1,2", "Other?"]
    change(as_, admin, project, "withdraw", prompts[2])
    assert found(as_, admin, project, state="withdrawn") == ["Other?"]
    assert found(as_, admin, project, state="unused") == ["Junk,1,2"]


def test_what_nobody_answered_is_deleted_and_what_was_answered_stays(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    project.queue_target = 2
    project.save()
    top_up(project)  # the second is waiting for its answers
    html = as_(admin).post(
        page(project, "prompts_change"),
        {"action": "delete", "prompt": [prompt.pk for prompt in prompts]},
        follow=True,
    )
    assert found(as_, admin, project) == ["Answered?"]
    assert "2 prompts deleted." in html.content.decode()
    assert "it can be withdrawn" in html.content.decode()


def test_a_prompt_with_a_demonstration_is_not_deleted(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    write_demonstration(prompts[1], admin, "So.")
    change(as_, admin, project, "delete", prompts[1])
    assert project.prompts.filter(pk=prompts[1].pk).exists()


def test_a_withdrawn_prompt_is_asked_of_nobody_until_it_is_put_back(
    as_: As, project: Project, prompts: list[Prompt], admin: User, labeler: User
) -> None:
    project.queue_target = 2
    project.save()
    top_up(project)
    change(as_, admin, project, "withdraw", *prompts)
    assert take_assignment(project, labeler) is None
    assert top_up(project) == 0
    assert list(prompt_rows(project)) == []
    change(as_, admin, project, "put_back", *prompts)
    assert PromptGroup.objects.get(prompt=prompts[1]).status == PromptGroup.Status.PENDING
    assert take_assignment(project, labeler) is not None
    assert len(list(prompt_rows(project))) == 3


def test_what_was_said_of_a_withdrawn_prompt_stays(
    as_: As, project: Project, prompts: list[Prompt], admin: User, labeler: User
) -> None:
    ranking = rank(project, labeler)
    change(as_, admin, project, "withdraw", prompts[0])
    ranking.refresh_from_db()
    assert ranking.is_current


def test_an_unused_prompt_is_changed_turn_by_turn(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    address = page(project, "prompt", prompts[1].pk)
    said = {
        "message_0": "Be brief.",
        "message_1": "Mended?",
        "message_2": "Yes.",
        "message_3": "And now?",
        "language": "en",
    }
    assert as_(admin).post(address, said).status_code == 302
    prompts[1].refresh_from_db()
    assert [message["role"] for message in prompts[1].messages] == [
        *("system", "user", "assistant", "user")
    ]
    assert prompts[1].language == "en"
    assert prompts[1].key != project.prompts.get(pk=prompts[2].pk).key


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"message_1": "Other?"}, "has this prompt already"),
        ({"message_1": "So?", "message_2": "Yes."}, "the user has the last one"),
        ({}, "must be a text or a list"),
    ],
)
def test_what_is_no_prompt_or_is_there_already_is_refused(
    as_: As,
    project: Project,
    prompts: list[Prompt],
    admin: User,
    said: dict[str, str],
    problem: str,
) -> None:
    html = as_(admin).post(page(project, "prompt", prompts[1].pk), said).content.decode()
    assert problem in html
    prompts[1].refresh_from_db()
    assert prompts[1].messages[0]["content"] == "Junk,1,2"


def test_a_prompt_that_was_answered_cannot_be_changed(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    address = page(project, "prompt", prompts[0].pk)
    assert "can no longer be changed" in as_(admin).get(address).content.decode()
    as_(admin).post(address, {"message_1": "Mended?"})
    prompts[0].refresh_from_db()
    assert prompts[0].messages[0]["content"] == "Answered?"


def test_a_conversation_is_written_in_the_browser(as_: As, project: Project, admin: User) -> None:
    said = {"message_1": "One?", "message_2": "Two.", "message_3": "Three?"}
    as_(admin).post(page(project, "prompt_write"), said)
    roles = [message["role"] for message in project.prompts.get().messages]
    assert roles == ["user", "assistant", "user"]


def test_one_comes_back_to_what_was_filtered(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    data = {
        "action": "withdraw",
        "prompt": [prompts[1].pk, "9" * 5000],
        "query": "state=unused\r\nX: y",
    }
    response = as_(admin).post(page(project, "prompts_change"), data)
    assert response.headers["Location"].startswith(f"{page(project)}?state=unused")


def test_an_action_that_does_not_exist_is_refused(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    assert change(as_, admin, project, "burn", *prompts).status_code == 400


def retag(as_: As, user: User, project: Project, action: str, tags: str, *prompts: Prompt) -> str:
    data = {"action": action, "tags": tags, "prompt": [prompt.pk for prompt in prompts]}
    return str(as_(user).post(page(project, "prompts_change"), data, follow=True).content.decode())


def test_prompts_are_tagged_and_found_by_a_tag(
    as_: As, project: Project, prompts: list[Prompt], admin: User
) -> None:
    assert "2 prompts changed." in retag(as_, admin, project, "tag", "Easy 客服", *prompts[:2])
    assert "1 prompt changed." in retag(as_, admin, project, "tag", "easy", *prompts[1:])
    assert found(as_, admin, project, tag="EASY") == ["Answered?", "Junk,1,2", "Other?"]
    assert found(as_, admin, project, tag="客服") == ["Answered?", "Junk,1,2"]
    assert found(as_, admin, project, tag="eas") == []
    html = retag(as_, admin, project, "untag", "easy", prompts[0])
    assert 'href="?tag=easy"' in html
    assert found(as_, admin, project, tag="easy") == ["Junk,1,2", "Other?"]
    assert [prompt.tags for prompt in project.prompts.order_by("id")] == [
        ["客服"],
        ["easy", "客服"],
        ["easy"],
    ]


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ("a" * 51, "at most 50 characters"),
        (" ".join(map(str, range(21))), "at most 20 tags"),
        ("20", "at most 20 tags"),
    ],
)
def test_too_many_or_too_long_tags_change_nothing(
    as_: As, project: Project, prompts: list[Prompt], admin: User, tags: str, said: str
) -> None:
    retag(as_, admin, project, "tag", " ".join(map(str, range(20))), prompts[0])
    assert said in retag(as_, admin, project, "tag", tags, *prompts[::-1])
    assert [len(prompt.tags) for prompt in project.prompts.order_by("id")] == [20, 0, 0]


def test_nobody_else_tags_prompts(
    as_: As, project: Project, prompts: list[Prompt], labeler: User, stranger: User
) -> None:
    for user, status in ((labeler, 403), (stranger, 404)):
        data = {"action": "tag", "tags": "a", "prompt": [prompts[0].pk]}
        assert as_(user).post(page(project, "prompts_change"), data).status_code == status
    assert not project.prompts.exclude(tag_words="").exists()


def test_a_prompt_is_written_and_changed_with_its_tags(
    as_: As, project: Project, admin: User
) -> None:
    said = {"message_1": "Why?", "language": "en", "tags": "b, machine learning"}
    as_(admin).post(page(project, "prompt_write"), said)
    [prompt] = project.prompts.all()
    assert prompt.tags == ["b", "machine-learning"]
    as_(admin).post(page(project, "prompt", prompt.pk), {**said, "tags": ""})
    prompt.refresh_from_db()
    assert prompt.tags == []


def test_a_prompt_with_as_many_and_as_long_tags_as_there_may_be_keeps_them_when_it_is_saved(
    as_: As, project: Project, admin: User
) -> None:
    tags = [f"{number:050}" for number in range(20)]
    add_prompts(project, [NewPrompt(EGG, tags=tags_of(tags))])
    [prompt] = project.prompts.all()
    form = as_(admin).get(page(project, "prompt", prompt.pk)).context["form"]
    said = {name: form.get_initial_for_field(each, name) for name, each in form.fields.items()}
    assert as_(admin).post(page(project, "prompt", prompt.pk), said).status_code == 302
    prompt.refresh_from_db()
    assert prompt.tags == tags


def test_a_tag_holds_no_comma_however_it_comes() -> None:
    assert tags_of(["a, b", "c d"]) == tags_of("a,b，c d") == ("a", "b", "c-d")
