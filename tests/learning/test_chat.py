import shutil
from pathlib import Path
from typing import cast

import pytest
from transformers import PreTrainedTokenizerFast

from annotation.lm.chat import Chat, ChatError, Message, end_of_turn_id, with_system
from annotation.lm.loading import load_tokenizer
from tests.learning.conftest import assistant, user
from tests.tiny import TEMPLATE, build_tiny_tokenizer

THINKING = TEMPLATE.replace(
    "'\\n' + message['content']",
    "'\\n' + ('<think></think>' if message['role'] == 'assistant' else '') + message['content']",
)
UNENDED = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    + TEMPLATE
)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tiny_tokenizer()


def rendered_ids(tokenizer: PreTrainedTokenizerFast, messages: list[Message]) -> list[int]:
    """As plain transformers renders a conversation."""
    plain = [{"role": m["role"], "content": m["content"]} for m in messages]
    return cast(list[int], tokenizer.apply_chat_template(plain, return_dict=False))


def test_padding_is_never_the_end_of_turn_token(
    tokenizer: PreTrainedTokenizerFast, tiny: Path, tmp_path: Path
) -> None:
    tokenizer.pad_token = "<|im_end|>"
    folder = shutil.copytree(tiny, tmp_path / "model")
    tokenizer.save_pretrained(folder)
    loaded = load_tokenizer(str(folder))
    assert loaded.pad_token_id == Chat(loaded).pad != Chat(loaded).end_of_turn


def test_a_chat_leaves_its_tokenizer_as_it_is(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.pad_token = "<|im_end|>"
    assert Chat(tokenizer).pad != tokenizer.pad_token_id
    assert tokenizer.pad_token == "<|im_end|>"


def test_the_template_decides_which_token_ends_a_turn(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.eos_token = "<|endoftext|>"
    assert end_of_turn_id(tokenizer) == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_template_without_end_uses_the_tokenizers_end_token(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokenizer.chat_template = UNENDED
    assert end_of_turn_id(tokenizer) == tokenizer.eos_token_id


def test_an_answer_ends_with_the_end_of_turn_token_once(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = Chat(tokenizer)
    _, [ids] = chat.group_ids(user("Hi"), [" two words\n"])
    assert ids.count(chat.end_of_turn) == 1
    assert ids[-1] == chat.end_of_turn
    assert chat.answer_text(ids) == "two words"


@pytest.mark.parametrize("template", [TEMPLATE, THINKING, UNENDED], ids=["chatml", "think", "bare"])
def test_the_scoring_template_gives_the_tokens_of_prompt_and_answer(
    tokenizer: PreTrainedTokenizerFast, template: str
) -> None:
    tokenizer.chat_template = template
    chat = Chat(tokenizer)
    conversation = user("Hi") + assistant("Ho") + user("It's \\ {{ 1 }}")
    prompt, [answer] = chat.group_ids(conversation, ["Fine."])
    expected = chat.prompt_ids(conversation) + answer
    assert expected == prompt + answer
    tokenizer.chat_template = chat.template
    assert rendered_ids(tokenizer, conversation + assistant("Fine.")) == expected


def test_the_scoring_template_still_renders_prompts(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = Chat(tokenizer)
    expected = chat.prompt_ids(user("Hi"))
    tokenizer.chat_template = chat.template
    assert Chat(tokenizer).prompt_ids(user("Hi")) == expected


def test_a_scoring_template_can_be_made_of_a_scoring_template(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    conversation = user("Hi") + assistant("Ho")
    tokenizer.chat_template = Chat(tokenizer).template
    once = rendered_ids(tokenizer, conversation)
    tokenizer.chat_template = Chat(tokenizer).template
    assert rendered_ids(tokenizer, conversation) == once


def test_a_long_prompt_loses_its_start(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = Chat(tokenizer)
    whole = chat.prompt_ids(user("word " * 30))
    assert chat.prompt_ids(user("word " * 30), limit=20) == whole[-20:]


def test_a_tokenizer_without_template_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = None
    with pytest.raises(ChatError, match="no chat template"):
        Chat(tokenizer)


def test_what_the_template_refuses_is_said_in_its_words(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer.chat_template = STRICT
    with pytest.raises(ChatError, match="No system role"):
        Chat(tokenizer).prompt_ids([{"role": "system", "content": "Be kind"}])


def test_null_characters_are_left_out_of_answers(tokenizer: PreTrainedTokenizerFast) -> None:
    chat = Chat(tokenizer)
    ids = tokenizer.encode("a\0b", add_special_tokens=False)
    assert chat.answer_text(ids) == "ab"


def test_a_system_prompt_comes_first_unless_the_messages_have_their_own_or_it_is_blank() -> None:
    own: list[Message] = [{"role": "system", "content": "Be a pirate."}, user("Hi")[0]]
    brief: Message = {"role": "system", "content": "Be brief."}
    assert with_system(user("Hi"), "Be brief.") == [brief, *user("Hi")]
    assert with_system(own, "Be brief.") == own
    assert with_system(user("Hi"), " \n") == user("Hi")
