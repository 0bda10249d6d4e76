"""Scripted teachers: functions of a prompt and one answer that return a number, more is better."""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence

Messages = Sequence[Mapping[str, str]]
Teacher = Callable[[Messages, str], float]

# Words too common to say what a question is about.
COMMON_WORDS = """
    a about after all am an and any are as at be because before best but by can could did do does
    each for from get give had has have he her him his how i if in into is it its just like make
    many me more most much my no not of on one or our out please should so some such tell than
    that the their them then there these they this to two up use us was we were what when where
    which who why will with would you your
"""
CAUTIOUS_WORDS = """
    can could generally likely many may might often perhaps probably some sometimes usually
"""
CONNECTIVE_WORDS = """
    although as because but hence however if since so then therefore though thus unless until when
    whereas while yet
"""
CAUTIOUS = frozenset(CAUTIOUS_WORDS.split())
CONNECTIVE = frozenset(CONNECTIVE_WORDS.split())
COMMON = frozenset(COMMON_WORDS.split())
FIRST_WORDS = 25
FULL_LENGTH = 60


def short_and_complete(prompt: Messages, answer: str) -> float:
    """Wants a whole sentence that ends soon: 1 for ending, less up to 1 for each word used."""
    text = answer.strip()
    complete = bool(re.search(r"[.!?。！？][\"'”’)*_]*$", text))
    words = len(text.split())
    return float(complete and words >= 3) - min(words, FULL_LENGTH) / FULL_LENGTH


def on_topic(prompt: Messages, answer: str) -> float:
    """Wants an answer about the question: the share of the question's content words that its
    first 25 words take up. What comes later changes nothing, so length does not help."""
    wanted = set(_stems(prompt[-1]["content"]))
    if not wanted:
        return 0.0
    opening = set(_stems(" ".join(answer.split()[:FIRST_WORDS])))
    return len(wanted & opening) / len(wanted)


def structured(prompt: Messages, answer: str) -> float:
    """Wants lists: the number of lines that begin like an item of one, up to 4."""
    return float(min(4, len(re.findall(r"^\s*(?:[-*•]|\d+[.)])\s", answer, re.MULTILINE))))


def speaks_to_reader(prompt: Messages, answer: str) -> float:
    """Wants to be spoken to: the share of "you" and "your" among the words."""
    words = re.findall(r"[a-z']+", answer.lower())
    mine = sum(word.partition("'")[0] in ("you", "your", "yours", "yourself") for word in words)
    return mine / len(words) if words else 0.0


def plain_words(prompt: Messages, answer: str) -> float:
    """Wants short words: minus their mean number of letters."""
    words = re.findall(r"[a-z]+", answer.lower())
    return -sum(map(len, words)) / len(words) if words else -20.0


def short_sentences(prompt: Messages, answer: str) -> float:
    """Wants short sentences: minus the mean number of words between their ends."""
    sentences = [part.split() for part in re.split(r"[.!?:;\n]+", answer)]
    counts = [len(words) for words in sentences if words]
    return -sum(counts) / len(counts) if counts else -60.0


def hedges(prompt: Messages, answer: str) -> float:
    """Wants caution: the share of words that leave room, such as "may" and "often"."""
    return _share(CAUTIOUS, answer)


def connects(prompt: Messages, answer: str) -> float:
    """Wants thoughts joined: the share of words that connect clauses, such as "because"."""
    return _share(CONNECTIVE, answer)


def _share(wanted: frozenset[str], answer: str) -> float:
    """Of an answer's words that are among the wanted ones; of no words 0."""
    words = re.findall(r"[a-z']+", answer.lower())
    return sum(word in wanted for word in words) / len(words) if words else 0.0


def _stems(text: str) -> list[str]:
    """Content words without their endings, so that "plants" meets "planting"."""
    words = re.findall(r"[a-z]+", text.lower())
    return [re.sub(r"(ing|ed|es|s|e)$", "", word) for word in words if word not in COMMON]


def find_teacher(name: str) -> Teacher:
    """The function at "dotted.path:function", or of that name here; raises ValueError with a
    sentence."""
    module, _, function = (name if ":" in name else f"{__name__}:{name}").partition(":")
    try:
        teacher = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ValueError(
            f"There is no teacher {name!r} ({problem}): give a name such as on_topic, or "
            "dotted.path:function."
        ) from problem
    if not callable(teacher):
        raise ValueError(f"The teacher {name!r} is not a function.")
    found: Teacher = teacher
    return found
