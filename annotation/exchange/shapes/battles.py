"""Battles of two models, as chatbot arenas and MT-bench have them."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Item, Judged, Message
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.shapes.winner import is_all_bad, is_tie
from annotation.exchange.wording import Unreadable, gettext_noop

WINNERS = {
    **dict.fromkeys(("model_a", "a"), (fields.FIRST, False)),
    **dict.fromkeys(("model_b", "b"), (fields.SECOND, False)),
    "tie": (fields.TIE, False),
    "tie (bothbad)": (fields.TIE, True),
}
NO_WINNER = gettext_noop("exactly one of the winner columns must be 1.")
NO_TEXTS = gettext_noop(
    "The file says which of two names won, and holds no texts of answers: there is nothing to "
    "learn from."
)


def read_arena(row: Object) -> Item:
    (asked, first), (other, second) = (
        fields.asked_and_answer(_judged_turns(row, name), name)
        for name in ("conversation_a", "conversation_b")
    )
    if asked != other:
        raise Unreadable(fields.NOT_SAME_HEAD)
    return _battle(row, asked, first, second)


def _judged_turns(row: Object, name: str) -> list[Message]:
    """The conversation up to the turn that was judged: MT-bench judges the first of two, too."""
    messages = fields.messages_of(fields.cell_of(row[name]), name)
    asked = [at for at, message in enumerate(messages) if message["role"] == fields.USER]
    turn = int(fields.number_of(row, "turn") or 0)
    if 0 < turn < len(asked):
        return messages[: asked[turn]]
    return messages


def _battle(row: Object, asked: list[Message], first: str, second: str) -> Item:
    ranks, is_bad = _winner(row)
    judged = Judged(fields.labeler_of(row.get("judge")), ranks, none_acceptable=is_bad)
    names = (fields.name_of(row.get("model_a")), fields.name_of(row.get("model_b")))
    language = fields.name_of(row.get("language"))[:20]
    return Item(asked, fields.pair(first, second, names), (judged,), language=language)


def _winner(row: Object) -> tuple[tuple[int, int], bool]:
    """By its side, or by the name of its model; whether none is acceptable."""
    models = [row.get("model_a"), row.get("model_b")]
    if models[0] != models[1] and isinstance(row.get("winner"), str) and row["winner"] in models:
        return (fields.FIRST, fields.SECOND)[models.index(row["winner"])], False
    word = row.get("winner")
    if isinstance(word, str) and (is_tie(word) or is_all_bad(word)):
        return fields.TIE, is_all_bad(word)
    found: tuple[tuple[int, int], bool] = fields.one_of(row, "winner", WINNERS)
    return found


def read_arena_texts(row: Object) -> Item:
    asked = fields.messages_of(fields.cell_of(row["prompt"]), "prompt")
    answers = (fields.text_of(row, "response_a"), fields.text_of(row, "response_b"))
    return _battle(row, asked, *answers)


def read_arena_table(row: Object) -> Item:
    """Prompt and answers as JSON lists in a cell, one text a turn; the winner by three columns."""
    prompts, first, second = (_texts(row, name) for name in ("prompt", "response_a", "response_b"))
    if not len(prompts) == len(first) == len(second):
        raise Unreadable(
            fields.WRONG_LENGTH, field="response_a", count=len(first), answers=len(prompts)
        )
    if first[:-1] != second[:-1]:
        raise Unreadable(fields.NOT_SAME_HEAD)
    wins = [fields.number_of(row, f"winner_{name}") for name in ("model_a", "model_b", "tie")]
    if sorted(win or 0 for win in wins) != [0, 0, 1]:
        raise Unreadable(NO_WINNER)
    ranks = (fields.FIRST, fields.SECOND, fields.TIE)[wins.index(1)]
    messages = []
    for at, prompt in enumerate(prompts):
        messages.append({"role": fields.USER, "content": prompt})
        if at < len(prompts) - 1:
            messages.append({"role": fields.ASSISTANT, "content": first[at]})
    names = (fields.name_of(row.get("model_a")), fields.name_of(row.get("model_b")))
    return Item(messages, fields.pair(first[-1], second[-1], names), (Judged(ranks=ranks),))


def _texts(row: Object, name: str) -> list[str]:
    value = fields.cell_of(row[name])
    if isinstance(value, str) and value[:2] in ('["', "['"):  # it holds what is not taken
        raise Unreadable(fields.NOT_LIST, field=name)
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise Unreadable(fields.NOT_TEXT, field=name)
    return parts


def _is_names(row: Object) -> bool:
    texts = {"prompt", "question", "conversation_a", "response_a"}
    return {"left", "right", "winner"} <= set(row) and not texts & set(row)


MODELS = dict.fromkeys(("model_a", "model_b"), shape.AUTHOR)
BATTLE = {
    **MODELS,
    "winner": shape.VERDICT,
    "judge": shape.LABELER,
    "language": shape.LANGUAGE,
}

SHAPES = (
    Shape(
        "arena battles",
        {
            **dict.fromkeys(("conversation_a", "conversation_b"), shape.CONVERSATION),
            "turn": gettext_noop("the turn that was judged"),
            **BATTLE,
        },
        has("conversation_a", "conversation_b", "winner"),
        read_arena,
    ),
    Shape(
        "arena battles (table)",
        {
            "prompt": shape.PROMPT,
            **dict.fromkeys(("response_a", "response_b"), shape.ANSWER),
            **MODELS,
            **dict.fromkeys(("winner_model_a", "winner_model_b", "winner_tie"), shape.VERDICT),
        },
        has("prompt", "response_a", "response_b", "winner_model_a", "winner_model_b", "winner_tie"),
        read_arena_table,
    ),
    Shape(
        "arena battles (texts)",
        {
            "prompt": shape.PROMPT,
            **dict.fromkeys(("response_a", "response_b"), shape.ANSWER),
            **BATTLE,
        },
        has("prompt", "response_a", "response_b", "winner", "model_a", "model_b"),
        read_arena_texts,
    ),
    Shape("arena battles without texts", {}, _is_names, refuses=NO_TEXTS),
)
