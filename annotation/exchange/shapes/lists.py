"""Several answers in a row, ranked or graded: Nectar, UltraFeedback, Open-Assistant, LabelLLM."""

from collections.abc import Iterator
from typing import Any

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import (
    MOST_CANDIDATES,
    TOO_MANY,
    Candidate,
    Item,
    Judged,
    Message,
)
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

TOO_GOOD = gettext_noop(
    "an overall score of 10 beside ratings of 2 or less, a known error of older files"
)


def read_nectar(row: Object) -> Item:
    prompt = row["prompt"]
    said = fields.transcript_of(prompt.rstrip()) if isinstance(prompt, str) else []
    messages = said or fields.messages_of(prompt, "prompt")
    if messages[-1]["role"] == fields.ASSISTANT and not messages[-1]["content"].strip():
        messages = messages[:-1]
    answers = _objects(row, "answers")
    candidates = tuple(
        Candidate(fields.text_of(part, "answer"), fields.name_of(part.get("model")))
        for part in answers
    )
    ranks = [fields.number_of(part, "rank") for part in answers]
    return Item(messages, candidates, (Judged(ranks=dense(ranks)),))


def dense(ranks: list[float | None]) -> tuple[int | None, ...]:
    """Ranks of any numbers as 1, 2, 3 without gaps; ties stay."""
    order = {
        rank: place for place, rank in enumerate(sorted({r for r in ranks if r is not None}), 1)
    }
    return tuple(None if rank is None else order[rank] for rank in ranks)


def read_ultrafeedback(row: Object) -> Item:
    """By the overall scores, or by the means of the ratings, which some files name
    `fine-grained_score` alone, where more answers have one: they are on another scale, so that the
    two are never compared."""
    answers = _objects(row, "completions")
    candidates = tuple(
        Candidate(fields.text_of(part, "response"), fields.name_of(part.get("model")))
        for part in answers
    )
    overall = [fields.number_of(part, "overall_score") for part in answers]
    means = [_mean_rating(part) for part in answers]
    grades = min(overall, means, key=lambda numbers: numbers.count(None))
    judged = (Judged(grades=tuple(grades)),) if any(g is not None for g in grades) else ()
    notes = (TOO_GOOD,) if any(map(_is_too_good, answers)) else ()
    messages = fields.messages_of(row["instruction"], "instruction")
    return Item(messages, candidates, judged, notes=notes)


def _is_too_good(part: dict[str, Any]) -> bool:
    """Of the first releases 2,628 overall scores of 10 were to be 1."""
    fine = fields.number_of(part, "fine-grained_score")
    return fields.number_of(part, "overall_score") == 10 and fine is not None and fine <= 2


def _mean_rating(part: dict[str, Any]) -> float | None:
    aspects = part.get("annotations")
    said = list(aspects.values()) if isinstance(aspects, dict) else [aspects]
    flat = [one for each in said for one in (each if isinstance(each, list) else [each])]
    named = [one for one in flat if isinstance(one, dict)]
    ratings = [r for one in named if (r := fields.number_of(one, "Rating")) is not None]
    if not ratings:
        return fields.number_of(part, "fine-grained_score")
    return sum(ratings) / len(ratings)


def _objects(row: Object, name: str) -> list[dict[str, Any]]:
    return [part for part in fields.list_of(row[name], name) if isinstance(part, dict)]


def read_tree(row: Object) -> Iterator[Item]:
    """Each message with replies of the other side is a prompt with its answers; a walk without
    recursion."""
    root = row["prompt"]
    if not isinstance(root, dict):
        raise Unreadable(fields.NOT_MESSAGES, field="prompt")
    left: list[tuple[dict[str, Any], list[Message]]] = [(root, [])]
    while left:
        node, before = left.pop()
        role = fields.ROLES.get(str(node.get("role")), "")
        messages = [*before, {"role": role, "content": fields.text_of(node, "text")}]
        found = _objects(node, "replies") if node.get("replies") else []
        replies = [reply for reply in found if not reply.get("deleted")]
        if role == fields.USER and len(replies) == 1 and not replies[0].get("synthetic"):
            answer = fields.text_of(replies[0], "text")
            language = fields.name_of(node.get("lang"))[:20]
            yield Item(messages, demonstration=answer, language=language)
        elif role == fields.USER and len(replies) > 1:
            yield _siblings(messages, node, replies)
        elif role == fields.USER:
            yield Item(messages, language=fields.name_of(node.get("lang"))[:20])
        left += [(reply, messages) for reply in reversed(replies)]


def _siblings(messages: list[Message], node: dict[str, Any], replies: list[dict[str, Any]]) -> Item:
    if len(replies) > MOST_CANDIDATES:
        raise Unreadable(TOO_MANY, most=MOST_CANDIDATES)
    candidates = tuple(
        Candidate(fields.text_of(reply, "text"), fields.name_of(reply.get("model_name")))
        for reply in replies
    )
    ids = [reply.get("message_id") for reply in replies]
    judged = list(_votes(node, ids))
    ranks = [fields.number_of(reply, "rank") for reply in replies]
    if not judged and sum(rank is not None for rank in ranks) > 1:
        judged = [Judged("consensus", dense(ranks))]
    language = fields.name_of(node.get("lang"))[:20]
    return Item(messages, candidates, tuple(judged), language=language)


def _votes(node: dict[str, Any], ids: list[Any]) -> Iterator[Judged]:
    """The votes of single people, which stand in for the consensus of them."""
    events = node.get("events")
    votes = events.get("ranking") if isinstance(events, dict) else None
    for vote in votes if isinstance(votes, list) else ():
        if not isinstance(vote, dict):
            continue
        labeler, ranked = fields.labeler_of(vote.get("user_id")), vote.get("ranked_message_ids")
        if vote.get("not_rankable"):
            yield Judged(labeler, (1,) * len(ids), none_acceptable=True)
        elif (
            isinstance(ranked, list)
            and set(map(str, ranked)) <= set(map(str, ids))
            and len(ranked) > 1
        ):
            yield Judged(labeler, fields.ordered(ids, ranked, "ranked_message_ids"))


def read_labelllm(row: Object) -> Item:
    """Replies to the last message that was sent; nobody has judged them."""
    parts = [part for part in row["conversation"] if isinstance(part, dict)]
    sent = [part for part in parts if part.get("message_type") == "send"]
    if not sent:
        raise Unreadable(fields.NOT_MESSAGES, field="conversation")
    last = sent[-1]
    by_id = {part.get("message_id"): part for part in parts}
    chain, node = [last], by_id.get(last.get("parent_id"))
    while node is not None and len(chain) < len(parts):
        chain.insert(0, node)
        node = by_id.get(node.get("parent_id"))
    roles = {"send": fields.USER, "receive": fields.ASSISTANT}
    messages = [
        {
            "role": roles.get(str(part.get("message_type")), ""),
            "content": fields.text_of(part, "content"),
        }
        for part in chain
    ]
    replies = [part for part in parts if part.get("parent_id") == last.get("message_id")]
    candidates = tuple(
        Candidate(fields.text_of(part, "content"), fields.name_of(part.get("user_id")))
        for part in replies
        if part.get("message_type") == "receive"
    )
    return Item(messages, candidates)


def _is_nectar(row: Object) -> bool:
    answers = fields.cell_of(row.get("answers"))
    return (
        "prompt" in row
        and isinstance(answers, list)
        and all(isinstance(part, dict) and {"answer", "rank"} <= set(part) for part in answers)
    )


SHAPES = (
    Shape(
        "Nectar",
        {"prompt": shape.PROMPT, "answers": gettext_noop("the answers, their models and ranks")},
        _is_nectar,
        read_nectar,
    ),
    Shape(
        "UltraFeedback",
        {
            "instruction": shape.PROMPT,
            "completions": gettext_noop(
                "the answers, their models; the overall score gives the order"
            ),
        },
        has("instruction", "completions"),
        read_ultrafeedback,
        loses=gettext_noop("The ratings of single aspects and the critiques are not taken."),
    ),
    Shape(
        "Open-Assistant trees",
        {"prompt": gettext_noop("the tree: every question with its answers, ranks or votes")},
        lambda row: "message_tree_id" in row and isinstance(row.get("prompt"), dict),
        read_tree,
    ),
    Shape(
        "Open-Assistant messages",
        {},
        has("message_id", "parent_id", "text", "role"),
        refuses=gettext_noop(
            "The file has one message of a tree in each row: take the trees instead (trees.jsonl), "
            "which hold the same."
        ),
    ),
    Shape(
        "LabelLLM",
        {"conversation": gettext_noop("the conversation, and the answers to its last question")},
        lambda row: (
            isinstance(row.get("conversation"), list)
            and all(isinstance(p, dict) and "message_type" in p for p in row["conversation"])
        ),
        read_labelllm,
    ),
)
