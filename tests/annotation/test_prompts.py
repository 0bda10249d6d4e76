import json

import pytest

from annotation.exchange.prompts import UnreadablePrompt, parse_prompts
from annotation.models import Project, Prompt
from annotation.services.demo import FOLDER
from annotation.services.prompts import add_prompts


def test_a_plain_line_is_a_single_turn_prompt() -> None:
    [row] = parse_prompts(["  How do I boil an egg?  ", ""])
    assert row.messages == [{"role": "user", "content": "How do I boil an egg?"}]


def test_a_json_line_may_hold_a_conversation_a_language_and_a_number_of_answers() -> None:
    turns = json.dumps(
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Bye"},
        ]
    )
    [row] = parse_prompts([f'{{"prompt": {turns}, "lang": "en", "answers": 6}}'])
    assert (len(row.messages), row.language, row.answers_wanted) == (3, "en", 6)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"prompt": ', "Line 2"),
        ('{"prompt": []}', "a text or a list"),
        ('{"prompt": [{"role": "robot", "content": "x"}]}', '"role"'),
        ('{"prompt": [{"role": "user", "content": " "}]}', '"content"'),
        ('{"prompt": [{"role": "assistant", "content": "x"}]}', "take turns"),
        ('{"prompt": "x", "answers": 10}', "from 2 to 9"),
        ('{"prompt": "x", "lang": "English, as spoken in Wales"}', "at most 20 characters"),
        ('{"prompt": "a broken smile \\ud83d"}', "half a character"),
        ('{"prompt": "nothing \\u0000"}', "null character"),
    ],
)
def test_an_unreadable_line_is_named_with_what_is_wrong(line: str, complaint: str) -> None:
    with pytest.raises(UnreadablePrompt, match=complaint):
        list(parse_prompts(["fine", line]))


def test_a_prompt_is_kept_once_however_often_it_is_added(project: Project) -> None:
    rows = list(parse_prompts(["one", "two", "one"]))
    assert add_prompts(project, rows) == 2
    assert add_prompts(project, [*rows, *parse_prompts(["three"])]) == 1
    assert project.prompts.count() == 3


def test_the_split_is_decided_by_the_prompt_alone(project: Project) -> None:
    texts = [f"Question {number}?" for number in range(300)]
    add_prompts(project, parse_prompts(texts))
    first = dict(project.prompts.values_list("key", "split"))
    project.prompts.all().delete()
    add_prompts(project, parse_prompts(reversed(texts)))
    assert dict(project.prompts.values_list("key", "split")) == first
    heldout = project.prompts.filter(split=Prompt.Split.HELDOUT).count()
    assert 35 <= heldout <= 85  # 20 percent of 300


def test_the_demo_brings_forty_english_and_twenty_chinese_prompts_some_of_several_turns() -> None:
    with (FOLDER / "prompts.jsonl").open(encoding="utf-8") as lines:
        rows = list(parse_prompts(lines))
    assert sum(row.language == "en" for row in rows) >= 40
    assert sum(row.language == "zh" for row in rows) >= 20
    assert sum(len(row.messages) > 1 for row in rows) >= 10
