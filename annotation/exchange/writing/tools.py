"""Ranked groups as other annotation tools take them. An answer that a labeler wrote is not among
them: nobody else saw it."""

import uuid
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from annotation.exchange.triples import question_text
from annotation.exchange.writing.narrowing import is_strict, with_consensus
from annotation.exchange.writing.native import Row

NAMESPACE = uuid.UUID("6f1f9c0e-6f5c-4f0e-9f53-6d7d0c5b1a11")  # of labelers' ids for Argilla


def best_first(ranks: list[int], names: list[str]) -> list[str]:
    return [names[at] for at in sorted(range(len(ranks)), key=lambda at: ranks[at])]


def argilla(group: Row) -> Iterator[dict[str, Any]]:
    """A record as `Dataset.to_json` writes it; its order cannot hold ties, so tied rankings are
    left out."""
    names = [f"response-{number}" for number in range(1, len(group["answers"]) + 1)]
    strict = [each for each in group["rankings"] if is_strict(each)]
    if not strict:
        return
    said = [
        {
            "value": best_first(each["ranks"], names),
            "user_id": str(uuid.uuid5(NAMESPACE, each["labeler"])),
        }
        for each in strict
    ]
    yield {
        "id": group["id"],
        "fields": {
            "prompt": question_text(group["prompt"]),
            **dict(zip(names, group["answers"], strict=True)),
        },
        "metadata": {"language": group["lang"], "split": group["split"]},
        "suggestions": {},
        "responses": {"ranking": said},
        "vectors": {},
        "status": "completed",
        "_server_id": None,
    }


def label_studio(group: Row) -> Iterator[dict[str, Any]]:
    """A task with each ranking as a prediction, for a Ranker named `rank` of a List named
    `answers`; tied rankings are left out."""
    names = [f"answer-{number}" for number in range(1, len(group["answers"]) + 1)]
    items = [
        {"id": name, "title": f"{number}", "body": text}
        for number, (name, text) in enumerate(zip(names, group["answers"], strict=True), 1)
    ]
    predictions = [
        {
            "model_version": each["labeler"],
            "result": [
                {
                    "from_name": "rank",
                    "to_name": "answers",
                    "type": "ranker",
                    "value": {"ranker": {"rank": best_first(each["ranks"], names)}},
                }
            ],
        }
        for each in group["rankings"]
        if is_strict(each)
    ]
    if predictions:
        prompt = question_text(group["prompt"])
        yield {
            "data": {"id": group["id"], "prompt": prompt, "items": items},
            "predictions": predictions,
        }


def arena(group: Row) -> Iterator[dict[str, Any]]:
    """A battle for each two answers and labeler, ties among them."""
    models = [source["author"] or f"policy-{source['policy']}" for source in group["sources"]]
    for ranking in group["rankings"]:
        ranks = ranking["ranks"]
        for a, b in combinations([at for at, rank in enumerate(ranks) if rank], 2):
            tie = "tie (bothbad)" if ranking.get("none_acceptable") else "tie"
            better = "model_a" if ranks[a] < ranks[b] else "model_b"
            conversations = [
                [*group["prompt"], {"role": "assistant", "content": group["answers"][at]}]
                for at in (a, b)
            ]
            yield {
                "question_id": f"{group['id']}-{a}-{b}",
                "model_a": models[a],
                "model_b": models[b],
                "winner": tie if ranks[a] == ranks[b] else better,
                "judge": ranking["labeler"],
                "conversation_a": conversations[0],
                "conversation_b": conversations[1],
                "turn": sum(turn["role"] == "user" for turn in group["prompt"]),
                "anony": True,
                "language": group["lang"],
                "tstamp": ranking.get("ranked_at"),
            }


OASST_ROLES = {"user": "prompter", "assistant": "assistant"}


def open_assistant(group: Row) -> Iterator[dict[str, Any]]:
    """A tree for each group: the consensus as `rank`, from 0, and each labeler's order as an event;
    tied rankings are no event. A system message has no place in a tree."""
    turns = [turn for turn in group["prompt"] if turn["role"] in OASST_ROLES]
    key, lang = group["id"], group["lang"]
    ids = [f"{key}-answer-{at}" for at in range(len(group["answers"]))]
    found = with_consensus(group)["rankings"]
    if not found:
        return
    consensus = found[0]["ranks"]
    replies: list[dict[str, Any]] = [
        {
            **_message(ids[at], f"{key}-{len(turns) - 1}", "assistant", text, lang),
            "synthetic": True,
            "rank": consensus[at] - 1,
            "replies": [],
        }
        for at, text in enumerate(group["answers"])
    ]
    for depth in range(len(turns) - 1, -1, -1):
        parent = f"{key}-{depth - 1}" if depth else None
        message = _message(
            f"{key}-{depth}",
            parent,
            OASST_ROLES[turns[depth]["role"]],
            turns[depth]["content"],
            lang,
        )
        replies = [{**message, "rank": None, "replies": replies}]
    asked = replies[0]
    last = asked
    for _ in range(len(turns) - 1):
        last = last["replies"][0]
    strict = [each for each in group["rankings"] if is_strict(each)]
    last["events"] = {"ranking": [_ranking_event(each, ids) for each in strict]}
    yield {"message_tree_id": f"{key}-0", "tree_state": "ready_for_export", "prompt": asked}


def _message(key: str, parent: str | None, role: str, text: str, lang: str) -> dict[str, Any]:
    return {
        "message_id": key,
        "parent_id": parent,
        "text": text,
        "role": role,
        "lang": lang,
        "review_count": 0,
        "review_result": None,
        "deleted": False,
    }


def _ranking_event(ranking: Row, ids: list[str]) -> dict[str, Any]:
    """The places of the answers, best first, and their ids in that order."""
    return {
        "type": "ranking",
        "user_id": ranking["labeler"],
        "ranking": sorted(range(len(ids)), key=lambda at: ranking["ranks"][at]),
        "ranked_message_ids": best_first(ranking["ranks"], ids),
        "ranking_parent_id": None,
        "message_tree_id": None,
        "not_rankable": ranking["none_acceptable"],
    }
