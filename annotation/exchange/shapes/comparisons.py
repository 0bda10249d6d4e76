"""Two answers and which is better, in the words of each set: HelpSteer, SHP, arena and others."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.preference import preference
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")
WINNERS = {
    "model_a": (fields.FIRST, False),
    "model_b": (fields.SECOND, False),
    "tie": (fields.TIE, False),
    "tie (bothbad)": (fields.TIE, True),
    "both_bad": (fields.TIE, True),
    "bothbad": (fields.TIE, True),
}
NO_WINNER = gettext_noop("exactly one of the winner columns must be 1.")
NO_TEXTS = gettext_noop(
    "The file says which of two names won, and holds no texts of answers: there is nothing to "
    "learn from."
)


def read_helpsteer_ratings(row: Object) -> Item:
    """By the helpfulness; answers to one prompt stand in rows of their own. A list has a grade of
    each annotator."""
    answer = Candidate(fields.text_of(row, "response"))
    said = fields.cell_of(row["helpfulness"])
    if isinstance(said, list):
        judged = tuple(
            Judged(
                f"annotator{n}", grades=(fields.number_of({"helpfulness": each}, "helpfulness"),)
            )
            for n, each in enumerate(said, start=1)
        )
    else:
        grades = (fields.number_of(row, "helpfulness"),)
        named = ((name, fields.number_of(row, name)) for name in ASPECTS)
        aspects = {name: number for name, number in named if number is not None}
        judged = (Judged(grades=grades, given={"aspects": [aspects]}),)
    return Item(_helpsteer_turns(fields.text_of(row, "prompt")), (answer,), judged)


def _helpsteer_turns(prompt: str) -> list[dict[str, str]]:
    """Several turns of HelpSteer 2 stand in one text, parted by its marks."""
    if "<extra_id_1>" not in prompt:
        return fields.messages_of(prompt, "prompt")
    first, *rest = prompt.split("<extra_id_1>")
    turns = [{"role": fields.USER, "content": first.strip("\n")}]
    for part in rest:
        name, _end, content = part.partition("\n")
        turns.append(
            {"role": fields.ROLES.get(name.strip().lower(), ""), "content": content.strip("\n")}
        )
    return (
        turns[:-1] if turns[-1]["role"] == fields.ASSISTANT and not turns[-1]["content"] else turns
    )


def read_helpsteer_preference(row: Object) -> Item:
    strength = fields.number_of(row, "preference_strength")
    if strength is None:
        raise Unreadable(fields.NOT_NUMBER, field="preference_strength")
    answers = (fields.text_of(row, "response_1"), fields.text_of(row, "response_2"))
    raw = fields.cell_of(row.get("all_preferences_unprocessed"))
    judged = [
        Judged(f"annotator{n}", fields.by_sign(each), given={"strength": each})
        for n, part in enumerate(raw if isinstance(raw, list) else (), start=1)
        if isinstance(part, dict) and (each := fields.number_of(part, "strength")) is not None
    ]
    whole = Judged(ranks=fields.by_sign(strength), given={"strength": strength})
    return Item(
        _helpsteer_turns(fields.text_of(row, "prompt")),
        fields.pair(*answers),
        tuple(judged) or (whole,),
    )


def read_helpsteer3(row: Object) -> Item:
    """What each annotator said; where no single one is told, the overall preference."""
    answers = (fields.text_of(row, "response1"), fields.text_of(row, "response2"))
    raw = fields.cell_of(row.get("individual_preference"))
    judged = tuple(
        Judged(
            f"annotator{n}",
            fields.by_sign(score),
            comment=fields.text_of(part, "reasoning", "")[:2000],
            given={"strength": score},
        )
        for n, part in enumerate(raw if isinstance(raw, list) else (), start=1)
        if isinstance(part, dict) and (score := fields.number_of(part, "score")) is not None
    )
    if not judged:
        strength = fields.number_of(row, "overall_preference")
        if strength is None:
            raise Unreadable(fields.NOT_NUMBER, field="overall_preference")
        judged = (Judged(ranks=fields.by_sign(strength), given={"strength": strength}),)
    messages = fields.messages_of(fields.cell_of(row["context"]), "context")
    return Item(
        messages, fields.pair(*answers), judged, language=str(row.get("language") or "")[:20]
    )


def read_shp(row: Object) -> Item:
    table = {1: fields.FIRST, 0: fields.SECOND, "1": fields.FIRST, "0": fields.SECOND}
    ratio = fields.number_of(row, "score_ratio")
    judged = Judged(
        ranks=fields.one_of(row, "labels", table), given={"score_ratio": ratio} if ratio else {}
    )
    answers = (fields.text_of(row, "human_ref_A"), fields.text_of(row, "human_ref_B"))
    return Item(fields.messages_of(row["history"], "history"), fields.pair(*answers), (judged,))


def read_safe(row: Object) -> Item:
    """Two questions, better and safer, by two labelers: they may disagree."""
    answers = (fields.text_of(row, "response_0"), fields.text_of(row, "response_1"))
    names = tuple(fields.name_of(row.get(f"response_{n}_source")) for n in (0, 1))
    table = {0: fields.FIRST, 1: fields.SECOND, "0": fields.FIRST, "1": fields.SECOND}
    flags = [row.get(f"is_response_{n}_safe") for n in (0, 1)]
    judged = [Judged("better", fields.one_of(row, "better_response_id", table))]
    if "safer_response_id" in row:
        ranks = fields.one_of(row, "safer_response_id", table)
        given = {"safe": flags} if None not in flags else {}
        judged.append(Judged("safer", ranks, given=given))
    return Item(
        fields.messages_of(row["prompt"], "prompt"), fields.pair(*answers, names), tuple(judged)
    )


def read_arena(row: Object) -> Item:
    ranks, is_bad = fields.one_of(row, "winner", WINNERS)
    (asked, first), (other, second) = (
        fields.asked_and_answer(fields.messages_of(fields.cell_of(row[name]), name), name)
        for name in ("conversation_a", "conversation_b")
    )
    if asked != other:
        raise Unreadable(fields.NOT_SAME_HEAD)
    judged = Judged(fields.labeler_of(row.get("judge")), ranks, none_acceptable=is_bad)
    names = (fields.name_of(row.get("model_a")), fields.name_of(row.get("model_b")))
    language = fields.name_of(row.get("language"))[:20]
    return Item(asked, fields.pair(first, second, names), (judged,), language=language)


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
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str) for part in parts):
        raise Unreadable(fields.NOT_TEXT, field=name)
    return parts


def read_auto_j(row: Object) -> Item:
    answers = (fields.text_of(row, "response 1"), fields.text_of(row, "response 2"))
    words = (fields.FIRST, fields.SECOND, fields.TIE)
    table = {key: ranks for n, ranks in enumerate(words) for key in (n, str(n))}
    judged = Judged(ranks=fields.one_of(row, "label", table))
    return Item(fields.messages_of(row["prompt"], "prompt"), fields.pair(*answers), (judged,))


def read_cvalues(row: Object) -> Item:
    given = {name: row[name] for name in ("pos_type", "neg_type") if isinstance(row.get(name), str)}
    messages = fields.messages_of(row["prompt"], "prompt")
    answers = (fields.text_of(row, "pos_resp"), fields.text_of(row, "neg_resp"))
    return preference(messages, *answers, given=given)


def _is_names(row: Object) -> bool:
    texts = {"prompt", "question", "conversation_a", "response_a"}
    return {"left", "right", "winner"} <= set(row) and not texts & set(row)


ANSWERS_12 = dict.fromkeys(("response_1", "response_2", "response1", "response2"), shape.ANSWER)
MODELS = dict.fromkeys(("model_a", "model_b"), shape.AUTHOR)

SHAPES = (
    Shape(
        "HelpSteer 2 (ratings)",
        {
            "prompt": shape.PROMPT,
            "response": shape.ANSWER,
            "helpfulness": shape.GRADE,
            **dict.fromkeys(ASPECTS[1:], gettext_noop("a grade, kept beside the ranking")),
        },
        has("prompt", "response", "helpfulness", "correctness"),
        read_helpsteer_ratings,
    ),
    Shape(
        "HelpSteer 2 (preference)",
        {
            "prompt": shape.PROMPT,
            **ANSWERS_12,
            "preference_strength": shape.VERDICT,
            "all_preferences_unprocessed": shape.JUDGMENTS,
        },
        has("prompt", "response_1", "response_2", "preference_strength"),
        read_helpsteer_preference,
    ),
    Shape(
        "HelpSteer 3",
        {
            "context": shape.CONVERSATION,
            **ANSWERS_12,
            "overall_preference": shape.VERDICT,
            "individual_preference": shape.JUDGMENTS,
            "language": shape.LANGUAGE,
        },
        has("context", "response1", "response2", "overall_preference"),
        read_helpsteer3,
    ),
    Shape(
        "SHP",
        {
            "history": shape.PROMPT,
            **dict.fromkeys(("human_ref_A", "human_ref_B"), shape.ANSWER),
            "labels": shape.VERDICT,
            "score_ratio": shape.STRENGTH,
        },
        has("history", "human_ref_A", "human_ref_B", "labels"),
        read_shp,
    ),
    Shape(
        "PKU-SafeRLHF",
        {
            "prompt": shape.PROMPT,
            **dict.fromkeys(("response_0", "response_1"), shape.ANSWER),
            **dict.fromkeys(("response_0_source", "response_1_source"), shape.AUTHOR),
            **dict.fromkeys(("better_response_id", "safer_response_id"), shape.VERDICT),
            **dict.fromkeys(
                ("is_response_0_safe", "is_response_1_safe"),
                gettext_noop("kept beside the ranking"),
            ),
        },
        has("prompt", "response_0", "response_1", "better_response_id"),
        read_safe,
    ),
    Shape(
        "arena battles",
        {
            **dict.fromkeys(("conversation_a", "conversation_b"), shape.CONVERSATION),
            **MODELS,
            "winner": shape.VERDICT,
            "judge": shape.LABELER,
            "language": shape.LANGUAGE,
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
    Shape("arena battles without texts", {}, _is_names, refuses=NO_TEXTS),
    Shape(
        "auto-j",
        {
            "prompt": shape.PROMPT,
            **dict.fromkeys(("response 1", "response 2"), shape.ANSWER),
            "label": shape.VERDICT,
        },
        has("prompt", "response 1", "response 2", "label"),
        read_auto_j,
    ),
    Shape(
        "CValues",
        {
            "prompt": shape.PROMPT,
            "pos_resp": shape.BETTER,
            "neg_resp": shape.WORSE,
            **dict.fromkeys(("pos_type", "neg_type"), gettext_noop("kept beside the ranking")),
        },
        has("prompt", "pos_resp", "neg_resp"),
        read_cvalues,
    ),
)
