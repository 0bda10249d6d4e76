"""The sentences in which a run says what became of it: templates, so that a page can translate.

They are written out in English where they arise, into result.json and the database. `read` finds
template and values again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache


def gettext_noop(text: str) -> str:
    """Marks a template for makemessages, which goes by this name."""
    return text


class Reason(StrEnum):
    """Templates; a value may be one of them again. The first one that fits a sentence is it."""

    AND_STOPPED = gettext_noop("%(verdict)s Training %(stopped)s.")
    STOPPED_BY_BUDGET = gettext_noop(
        "stopped after %(steps)s steps at a divergence of %(divergence)s nats"
    )
    STOPPED_BY_REWARD = gettext_noop(
        "stopped after %(steps)s steps: training reward rose from %(low)s to %(high)s since step "
        "%(since)s while held-out reward fell from %(before)s to %(after)s"
    )
    STOPPED_BY_ENDS = gettext_noop(
        "stopped after %(steps)s steps: training reward rose from %(low)s to %(high)s since step "
        "%(since)s while the share of held-out answers that end fell from %(before)s to %(after)s"
    )
    NO_HELDOUT_PAIR = gettext_noop("No held-out pair to judge by: rank more prompts.")
    BELOW_CHANCE = gettext_noop(
        "Held-out log loss %(loss)s over %(pairs)s pairs is below chance (0.693); "
        "accuracy %(accuracy)s."
    )
    NOT_BELOW_CHANCE = gettext_noop(
        "Held-out log loss %(loss)s over %(pairs)s pairs is not below chance (0.693); "
        "accuracy %(accuracy)s."
    )
    NO_HELDOUT_PROMPT = gettext_noop("No held-out prompt to judge by: add prompts.")
    REWARD_ROSE = gettext_noop(
        "Held-out reward went from %(before)s to %(after)s at a divergence of %(divergence)s nats, "
        "within the budget of %(budget)s."
    )
    REWARD_OVER_BUDGET = gettext_noop(
        "Held-out reward went from %(before)s to %(after)s at a divergence of %(divergence)s nats, "
        "over the budget of %(budget)s."
    )
    REWARD_NO_GAIN = gettext_noop(
        "Held-out reward went from %(before)s to %(after)s at a divergence of %(divergence)s nats: "
        "no gain."
    )
    BEST_OF_N = gettext_noop("A report of best-of-n: nothing was trained.")
    NO_HELDOUT_TEXT = gettext_noop("No held-out text to judge by: add text.")
    LOSS_NO_GAIN = gettext_noop(
        "Held-out loss went from %(before)s to %(after)s nats a token: no gain."
    )
    LOSS_FELL = gettext_noop("Held-out loss went from %(before)s to %(after)s nats a token.")
    NO_ENTROPY = gettext_noop("No unigram entropy to judge by.")
    BELOW_ENTROPY = gettext_noop(
        "Held-out loss %(loss)s is below %(entropy)s, the unigram entropy of the same tokens "
        "(nats a token)."
    )
    NOT_BELOW_ENTROPY = gettext_noop(
        "Held-out loss %(loss)s is not below %(entropy)s, the unigram entropy of the same tokens "
        "(nats a token)."
    )
    OTHER_CHAMPION = gettext_noop("Another policy was made champion while this one was trained.")
    OUT_OF_MEMORY = gettext_noop(
        "Out of memory: lower tokens_per_batch, turn gradient_checkpointing on, allow fewer tokens "
        "(group_tokens, block_tokens, max_new_tokens), or use a smaller model."
    )
    DIED_IN_PLACE = gettext_noop(
        "The training process died %(times)s times at the same place. Its last words: %(words)s"
    )
    WORKER_DIED = gettext_noop("The worker died as often as this run was tried.")


def read(sentence: str) -> tuple[Reason, dict[str, str]] | None:
    """The template and the values that make the sentence, if one does."""
    for reason in Reason:
        if found := _pattern(reason).fullmatch(sentence):
            return reason, found.groupdict()
    return None


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """What the template can become; its every other part is the name of a value."""
    parts = re.split(r"%\((\w+)\)s", template)
    texts = [re.escape(part) for part in parts[::2]]
    values = [f"(?P<{name}>.+?)" for name in parts[1::2]]
    return re.compile("".join(map("".join, zip(texts, [*values, ""], strict=True))), re.DOTALL)


def as_said(value: float) -> float:
    """Rounded as sentences give it: what reads alike is no gain."""
    return round(value, 3)


@dataclass(frozen=True)
class Gate:
    """Whether a version may serve, and why, as a sentence."""

    passed: bool
    reason: str
