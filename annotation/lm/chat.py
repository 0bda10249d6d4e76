"""How a conversation becomes tokens: the one place for template rules.

Generation, training and scoring all go through `Chat`, so that an answer is trained, sampled and
scored on the same tokens, and always ends with the same end-of-turn token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict, cast

import jinja2

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Message(TypedDict):
    role: str
    content: str


Messages = Sequence[Message]


def with_system(messages: Messages, system_prompt: str) -> list[Message]:
    """The messages that a model reads: the system prompt comes first, unless they have their own.

    A blank system prompt changes nothing.
    """
    if not system_prompt.strip() or messages[0]["role"] == "system":
        return list(messages)
    return [{"role": "system", "content": system_prompt}, *messages]


class ChatError(ValueError):
    """A conversation, or a tokenizer, that cannot be rendered; the text says why."""


class Chat:
    """One tokenizer's chat template.

    `end_of_turn` is the id of the token that ends an answer, `pad` an id that differs from it, for
    padding. The tokenizer stays as it is.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        if not tokenizer.chat_template:
            raise ChatError(
                "The tokenizer has no chat template; use an instruction-tuned model or save one "
                "with the tokenizer."
            )
        self.tokenizer = tokenizer
        self.end_of_turn = end_of_turn_id(tokenizer)
        self.pad = _padding_id(tokenizer, self.end_of_turn)

    def prompt_ids(self, messages: Messages, limit: int | None = None) -> list[int]:
        """Token ids up to where the answer begins; only the last `limit` of them when given.

        Raises ChatError when the template refuses the conversation.
        """
        text = _render(self.tokenizer, messages, add_generation_prompt=True)
        ids = self._encode(text)
        return ids if limit is None else ids[-limit:]

    def answer_ids(self, text: str) -> list[int]:
        """Token ids of an answer, end-of-turn token last."""
        return [*self._encode(text.strip()), self.end_of_turn]

    def answer_text(self, ids: Sequence[int]) -> str:
        """The text of generated token ids, special tokens and outer whitespace removed.

        Null characters go too: PostgreSQL stores none.
        """
        text = cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))
        return text.replace("\0", "").strip()

    def scoring_template(self) -> str:
        """A chat template that ends a conversation exactly at its end-of-turn token.

        An ordinary template may put more after the last answer ("\\n", mostly), and some render an
        answer differently from what was generated. This one renders the prompt as for generation,
        then the answer, then the end-of-turn token: the tokens that `prompt_ids` and `answer_ids`
        give. With it, a classifier that reads the last token that is not padding reads the right
        one.
        """
        end = _jinja_string(cast(str, self.tokenizer.convert_ids_to_tokens(self.end_of_turn)))
        return (
            "{%- macro turns(messages, add_generation_prompt) %}"
            f"{self.tokenizer.chat_template}"
            "{% endmacro -%}"
            "{%- if messages[-1]['role'] == 'assistant' and not add_generation_prompt -%}"
            "{{- turns(messages[:-1], true) + (messages[-1]['content'] | trim) + " + end + " -}}"
            "{%- else -%}"
            "{{- turns(messages, add_generation_prompt | default(false)) -}}"
            "{%- endif -%}"
        )

    def _encode(self, text: str) -> list[int]:
        return cast(list[int], self.tokenizer.encode(text, add_special_tokens=False))


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The first special token that the template puts after an answer, else the end token."""
    marker = "answer"
    rendered = _render(
        tokenizer,
        [{"role": "user", "content": "question"}, {"role": "assistant", "content": marker}],
        add_generation_prompt=False,
    )
    tail = rendered.rpartition(marker)[2]
    special = _special_ids(tokenizer)
    for token in tokenizer.encode(tail, add_special_tokens=False):
        if token in special:
            return int(token)
    if tokenizer.eos_token_id is None:
        raise ChatError(
            "The chat template ends an answer with no special token and the tokenizer names no "
            "end token; set eos_token in the tokenizer."
        )
    return cast(int, tokenizer.eos_token_id)


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    added = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def _padding_id(tokenizer: PreTrainedTokenizerBase, end_of_turn: int) -> int:
    """The tokenizer's own padding token, unless it is the end-of-turn token: then another one.

    Padding that equals the end token would hide the end of an answer from a classifier.
    """
    named = [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id]
    for candidate in [*named, *sorted(_special_ids(tokenizer))]:
        if candidate is not None and candidate != end_of_turn:
            return cast(int, candidate)
    return 0 if end_of_turn != 0 else 1


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Messages, *, add_generation_prompt: bool
) -> str:
    try:
        return cast(
            str,
            tokenizer.apply_chat_template(
                [{"role": message["role"], "content": message["content"]} for message in messages],
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            ),
        )
    except (jinja2.TemplateError, TypeError) as error:
        raise ChatError(f"The chat template refuses this conversation: {error}") from error


def _jinja_string(text: str) -> str:
    """A Jinja string literal of `text`."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
