"""Preferences as trainers take them: a prompt, what was preferred, and to what."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from annotation.exchange.writing.native import Row
from annotation.judgment.scores import scores_from_ranks

Message = dict[str, str]


@dataclass(frozen=True)
class Ranked:
    """One labeler's ranking of those of a prompt's answers that they ranked, with the one that they
    wrote where it is first: it is the last of them then."""

    prompt: list[Message]
    answers: list[str]
    ranks: list[int]
    labeler: str
    none_acceptable: bool

    @property
    def scores(self) -> list[float]:
        return scores_from_ranks(self.ranks)


def ranked(group: Row) -> Iterator[Ranked]:
    for ranking in group["rankings"]:
        said = [each for each in zip(group["answers"], ranking["ranks"], strict=True) if each[1]]
        answers, ranks = [text for text, _ in said], [rank for _, rank in said]
        if (better := ranking.get("better")) and better["is_first"]:
            answers, ranks = [*answers, better["text"]], [rank + 1 for rank in ranks] + [1]
        yield Ranked(
            list(group["prompt"]),
            answers,
            ranks,
            ranking["labeler"],
            ranking.get("none_acceptable", False),
        )


def preferences(group: Row) -> Iterator[tuple[list[Message], str, str]]:
    """Prompt, better and worse answer: every strict pair of every ranking, once for each labeler
    who sees it so. Pairs of the same text are none."""
    for one in ranked(group):
        for first, second in combinations(range(len(one.answers)), 2):
            better, worse = sorted((first, second), key=lambda at: one.ranks[at])
            is_strict = one.ranks[better] < one.ranks[worse]
            if is_strict and one.answers[better] != one.answers[worse]:
                yield one.prompt, one.answers[better], one.answers[worse]


def answer(text: str) -> list[Message]:
    return [{"role": "assistant", "content": text}]


def trl_preference(group: Row) -> Iterator[dict[str, Any]]:
    for prompt, better, worse in preferences(group):
        yield {"prompt": prompt, "chosen": answer(better), "rejected": answer(worse)}


def trl_unpaired(group: Row) -> Iterator[dict[str, Any]]:
    """Better than the middle of its ranking, or worse; what stands in the middle says neither."""
    for one in ranked(group):
        if len(one.ranks) < 2:
            continue
        for text, score in zip(one.answers, one.scores, strict=True):
            if score:
                yield {"prompt": one.prompt, "completion": answer(text), "label": score > 0}


def openai_preference(group: Row) -> Iterator[dict[str, Any]]:
    for prompt, better, worse in preferences(group):
        yield {
            "input": {"messages": prompt, "tools": [], "parallel_tool_calls": True},
            "preferred_output": answer(better),
            "non_preferred_output": answer(worse),
        }


def openrlhf(group: Row) -> Iterator[dict[str, Any]]:
    """Whole conversations, for its `--data.apply_chat_template`."""
    for prompt, better, worse in preferences(group):
        yield {"chosen": prompt + answer(better), "rejected": prompt + answer(worse)}


def ultrafeedback(group: Row) -> Iterator[dict[str, Any]]:
    """The best and the worst answer of each ranking."""
    for one in ranked(group):
        if len(one.ranks) < 2:
            continue
        best, worst = one.ranks.index(min(one.ranks)), one.ranks.index(max(one.ranks))
        if one.ranks[best] == one.ranks[worst]:
            continue
        chosen, rejected = (one.prompt + answer(one.answers[at]) for at in (best, worst))
        question = one.prompt[-1]["content"]
        yield {
            "prompt": question,
            "prompt_id": hashlib.sha256(question.encode()).hexdigest(),
            "chosen": chosen,
            "rejected": rejected,
            "messages": chosen,
            "score_chosen": one.scores[best],
            "score_rejected": one.scores[worst],
        }


SHAREGPT = {"user": "human", "assistant": "gpt"}


def llamafactory(group: Row) -> Iterator[dict[str, Any]]:
    """ShareGPT turns; nothing where they do not take turns, which it would skip with a warning."""
    for prompt, better, worse in preferences(group):
        system, turns = split_system(prompt)
        roles = [turn["role"] for turn in turns]
        if system is not None and len(prompt) - len(turns) > 1:
            return
        if roles != ["user", "assistant"] * (len(roles) // 2) + ["user"]:
            return
        said = [{"from": SHAREGPT[turn["role"]], "value": turn["content"]} for turn in turns]
        yield {
            "system": system or "",
            "conversations": said,
            "chosen": {"from": "gpt", "value": better},
            "rejected": {"from": "gpt", "value": worse},
        }


def split_system(prompt: Sequence[Message]) -> tuple[str | None, list[Message]]:
    """The first message where it is the system's, and the rest."""
    if prompt and prompt[0]["role"] == "system":
        return prompt[0]["content"], list(prompt[1:])
    return None, list(prompt)


LLAMAFACTORY_INFO: Mapping[str, Any] = {
    "file_name": "laoshi.json",
    "formatting": "sharegpt",
    "ranking": True,
    "columns": {
        "messages": "conversations",
        "chosen": "chosen",
        "rejected": "rejected",
        "system": "system",
    },
}
HUMAN, ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "


def hh_rlhf(group: Row) -> Iterator[dict[str, Any]]:
    """Nothing where a text holds a marker of turns, or a system message would be lost."""
    for prompt, better, worse in preferences(group):
        texts = [better, worse, *(turn["content"] for turn in prompt)]
        is_marked = any(mark.strip() in text for mark in (HUMAN, ASSISTANT) for text in texts)
        if is_marked or any(turn["role"] not in SHAREGPT for turn in prompt):
            continue
        said = "".join(
            (HUMAN if turn["role"] == "user" else ASSISTANT) + turn["content"] for turn in prompt
        )
        yield {"chosen": said + ASSISTANT + better, "rejected": said + ASSISTANT + worse}
