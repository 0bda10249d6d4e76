"""Two answers and which is better, in the words of each set: HelpSteer, SHP, arena and others."""

from annotation.exchange.shapes import fields, shape
from annotation.exchange.shapes.item import Candidate, Item, Judged
from annotation.exchange.shapes.preference import preference
from annotation.exchange.shapes.shape import Object, Shape, has
from annotation.exchange.wording import Unreadable, gettext_noop

ASPECTS = ("helpfulness", "correctness", "coherence", "complexity", "verbosity")


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
    head, role = first.strip("\n"), fields.USER
    if head.startswith("<extra_id_0>"):
        head, role = head.partition("\n")[2].strip("\n"), fields.SYSTEM
    turns = [{"role": role, "content": head}] if head else []
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
        raise Unreadable(fields.NO_VERDICT, field="preference_strength")
    answers = (fields.text_of(row, "response_1"), fields.text_of(row, "response_2"))
    raw = fields.cell_of(row.get("all_preferences_unprocessed"))
    judged = [
        Judged(
            f"annotator{n}",
            fields.by_sign(each),
            comment=fields.text_of(part, "elaboration", "")[:2000],
            given={"strength": each},
        )
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
            raise Unreadable(fields.NO_VERDICT, field="overall_preference")
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
    judged = []
    is_safer_said = row.get("safer_response_id") not in (None, "")
    if row.get("better_response_id") not in (None, "") or not is_safer_said:
        judged.append(Judged("better", fields.one_of(row, "better_response_id", table)))
    if is_safer_said:
        ranks = fields.one_of(row, "safer_response_id", table)
        given = {"safe": flags} if None not in flags else {}
        judged.append(Judged("safer", ranks, given=given))
    return Item(
        fields.messages_of(row["prompt"], "prompt"), fields.pair(*answers, names), tuple(judged)
    )


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


ANSWERS_12 = dict.fromkeys(("response_1", "response_2", "response1", "response2"), shape.ANSWER)

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
