"""How a conversation becomes tokens: the one place for template rules.

Generation, training and scoring all go through `Chat`, so that an answer is trained, sampled and
scored on the same tokens, and always ends with the same end-of-turn token. All are rendered with
one template, which is also saved with a reward model: plain transformers then reads what training
read.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

import jinja2

from annotation.exchange.wording import Worded, gettext_noop

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


class ChatError(Worded, ValueError):
    """A conversation, or a tokenizer, that cannot be rendered; a sentence says why."""


NO_TEMPLATE = gettext_noop(
    "The tokenizer has no chat template to take by default; use an instruction-tuned model or save "
    "one with the tokenizer."
)
NOTHING_BEFORE = gettext_noop("The chat template puts nothing before an answer.")
LEAVES_OUT = gettext_noop("The chat template leaves answers out.")
NO_END = gettext_noop(
    "The chat template ends an answer with no special token and the tokenizer names no end token; "
    "set eos_token in the tokenizer."
)
REFUSES = gettext_noop("The chat template refuses this conversation: {problem}")


MARK = "{#- Renders an answer as it is sampled, up to the token that ends it. -#}"
TEMPLATE = """
{%- macro rendered(messages, add_generation_prompt) %}
OWN_TEMPLATE{% endmacro -%}
{%- macro as_text(content) -%}
  {%- set it = namespace(text=content) -%}
  {%- for token in CONTROL_TOKENS -%}
    {%- set it.text = it.text | replace(token, token[0] + ' ' + token[1:]) -%}
  {%- endfor -%}
  {{- it.text -}}
{%- endmacro -%}
{%- set its = namespace(turns=[]) -%}
{%- for message in messages -%}
  {%- if message['content'] is string -%}
    {%- set its.turns = its.turns + [dict(message, content=as_text(message['content']))] -%}
  {%- else -%}
    {%- set its.turns = its.turns + [message] -%}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt | default(false) -%}
  {{- rendered(its.turns, true) + BEFORE_ANSWER -}}
{%- elif its.turns[-1]['role'] == 'assistant' -%}
  {{- rendered(its.turns[:-1], true) + BEFORE_ANSWER -}}
  {{- (its.turns[-1]['content'] | trim) + END_OF_TURN -}}
{%- else -%}
  {{- rendered(its.turns, false) -}}
{%- endif -%}
"""
TODAY = date(2024, 7, 26)
"""What a template that asks for the day is told, so that a text has the same tokens every day; the
day that Llama 3.1's falls back to."""
QUESTIONS: list[list[Message]] = [
    [{"role": "user", "content": "Which?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which?"}],
]
"""The second one for templates that want a system message."""
ANSWER = "Number 4711."
BEGINNING = "A"
"""Of an answer, with which the last token of a prompt may merge."""


class Chat:
    """One tokenizer's chat template, and the one `template` that all is rendered with.

    That is the tokenizer's own with these rules: the last answer ends with its end-of-turn token
    and nothing else; what the own one puts before a finished answer stands where one is asked for
    too; what people write is text, so that a special token in it gets a space after its first
    character; and the day is always the same.

    `end_of_turn` is the id of the token that ends an answer, `pad` one that fills rows up, another
    one where the tokenizer has another special token; `unwritten` are the special tokens that
    nothing rendered holds. The tokenizer stays as it is.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raises ChatError when the tokenizer cannot chat."""
        self.tokenizer = tokenizer
        own = _own_template(tokenizer)
        examples = _examples(tokenizer, own)
        asked, before, after = examples[0]
        self.renders_as_it_asks = before.startswith(asked)
        self.before_answer = before[len(asked) :] if self.renders_as_it_asks else ""
        self.end_of_turn = _end_of_turn(tokenizer, after)
        self.pad = _padding_id(tokenizer, self.end_of_turn)
        end = cast(str, tokenizer.convert_ids_to_tokens(self.end_of_turn))
        texts = [text for asked, _, after in examples for text in (asked, after)]
        written, special = _added_tokens_in(tokenizer, *texts), _special_tokens(tokenizer)
        self.unwritten = special - written - {end}
        self.template = own
        if not own.startswith(MARK):
            self.template = _with_rules(own, special | written | {end}, self.before_answer, end)

    def prompt_ids(self, messages: Messages, limit: int | None = None) -> list[int]:
        """Token ids up to where the answer begins; only the last `limit` of them when given.

        A last token that merges with an answer's beginning, as a space does, is left to the answer.
        Raises ChatError when the template refuses the conversation.
        """
        text = _render(self.tokenizer, self.template, messages, add_generation_prompt=True)
        ids = _common_start(self._encode(text), self._encode(text + BEGINNING))
        return ids if limit is None else ids[-limit:]

    def group_ids(
        self, messages: Messages, answers: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        """Token ids of a prompt, and of each answer to it, its end-of-turn token last.

        They are those of the whole text, rendered and encoded at once; the prompt's are those that
        all of them begin with. Raises ChatError when the template refuses the conversation.
        """
        prompt, wholes = self.prompt_ids(messages), []
        for answer in answers:
            said: list[Message] = [*messages, {"role": "assistant", "content": answer}]
            text = _render(self.tokenizer, self.template, said, add_generation_prompt=False)
            wholes.append(self._encode(text))
            prompt = _common_start(prompt, wholes[-1])
        if not prompt:
            raise ChatError(NOTHING_BEFORE)
        return prompt, [whole[len(prompt) :] for whole in wholes]

    def answer_text(self, ids: Sequence[int]) -> str:
        """The text of generated token ids, special tokens and outer whitespace removed.

        Null characters go too: PostgreSQL stores none.
        """
        text = cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))
        return text.replace("\0", "").strip()

    def save(self, folder: Path) -> None:
        """The tokenizer for plain transformers to read what is read here: with `template`, and
        padded on the right, since padding on the left moves the positions of some models."""
        tokenizer = copy.copy(self.tokenizer)
        tokenizer.chat_template = self.template
        tokenizer.padding_side = "right"
        tokenizer.init_kwargs = {**tokenizer.init_kwargs, "padding_side": "right"}
        tokenizer.save_pretrained(folder)

    def _encode(self, text: str) -> list[int]:
        return cast(list[int], self.tokenizer.encode(text, add_special_tokens=False))


def end_of_turn_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The first token with a meaning of its own that the template puts after an answer, else the
    end token. Raises ChatError."""
    [(_, _, after), *_] = _examples(tokenizer, _own_template(tokenizer))
    return _end_of_turn(tokenizer, after)


def _own_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """The tokenizer's, by default where it has several; of one day where it asks for the day."""
    try:
        template = tokenizer.get_chat_template()
    except ValueError as error:
        raise ChatError(NO_TEMPLATE) from error
    return re.sub(
        r"""strftime_now\(\s*(['"])(.*?)\1\s*\)""",
        lambda call: _literal(TODAY.strftime(call[2])),
        template,
    )


def _with_rules(own: str, control: Collection[str], before_answer: str, end: str) -> str:
    parts = {
        # Jinja drops a last newline of a template, but not of a macro.
        "OWN_TEMPLATE": own.removesuffix("\n"),
        "CONTROL_TOKENS": _literal(sorted(control, key=lambda token: (-len(token), token))),
        "BEFORE_ANSWER": _literal(before_answer),
        "END_OF_TURN": _literal(end),
    }
    return MARK + re.sub("|".join(parts), lambda name: parts[name[0]], TEMPLATE)


def _examples(tokenizer: PreTrainedTokenizerBase, template: str) -> list[tuple[str, str, str]]:
    """Of each question that the template takes: how it asks for an answer, and what it puts before
    and after a finished one. At least one, or ChatError."""
    found, refusals = [], []
    for question in QUESTIONS:
        said: list[Message] = [*question, {"role": "assistant", "content": ANSWER}]
        try:
            asked = _render(tokenizer, template, question, add_generation_prompt=True)
            whole = _render(tokenizer, template, said, add_generation_prompt=False)
        except ChatError as error:
            refusals.append(error)
            continue
        before, answer, after = whole.rpartition(ANSWER)
        if not answer:
            raise ChatError(LEAVES_OUT)
        found.append((asked, before, after))
    if not found:
        raise refusals[0]
    return found


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, after: str) -> int:
    named = {*_special_tokens(tokenizer), *_added_tokens_in(tokenizer, after)}
    for token in tokenizer.encode(after, add_special_tokens=False):
        if tokenizer.convert_ids_to_tokens(token) in named:
            return int(token)
    if tokenizer.eos_token_id is None:
        raise ChatError(NO_END)
    return cast(int, tokenizer.eos_token_id)


def _special_tokens(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    added = tokenizer.added_tokens_decoder.values()
    special = {*tokenizer.all_special_tokens, *(token.content for token in added if token.special)}
    return {token for token in special if len(token) > 1 and not token.isspace()}


def _added_tokens_in(tokenizer: PreTrainedTokenizerBase, *texts: str) -> set[str]:
    """Those, special or not, that stand in the texts."""
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    return {t for t in added if not t.isspace() and any(t in text for text in texts)}


def _padding_id(tokenizer: PreTrainedTokenizerBase, end_of_turn: int) -> int:
    """The tokenizer's own padding token, unless it is the end-of-turn token: then another special
    one, since padding that equals it would hide the end of an answer from a classifier.

    The end-of-turn token where there is no other: an ordinary one would be lost from texts.
    """
    ids = tokenizer.convert_tokens_to_ids(sorted(_special_tokens(tokenizer)))
    named = [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id]
    for candidate in [*named, *sorted(cast(list[int], ids))]:
        if candidate is not None and candidate != end_of_turn:
            return cast(int, candidate)
    return end_of_turn


def _render(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: Messages,
    *,
    add_generation_prompt: bool,
) -> str:
    try:
        return cast(
            str,
            tokenizer.apply_chat_template(
                [{"role": message["role"], "content": message["content"]} for message in messages],
                chat_template=template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
            ),
        )
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise ChatError(REFUSES, problem=str(error)) from error


def _common_start(first: list[int], second: list[int]) -> list[int]:
    same = (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return first[: next(same, min(len(first), len(second)))]


def _literal(value: str | list[str]) -> str:
    """What Jinja reads as the value."""
    return json.dumps(value, ensure_ascii=False)
