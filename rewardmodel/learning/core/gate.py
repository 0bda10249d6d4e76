"""What became of a version or a run: a code that stays (codes.py), and the values behind it.

Files and the database keep codes and values; `word` turns them into a sentence, here and on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rewardmodel.learning.core.codes import AND_STOPPED, WORDING, Code


@dataclass(frozen=True)
class Verdict:
    """What was found, with the numbers it stands on in full precision.

    The value `stopped`, if there is one, is the verdict that ended the training early.
    """

    code: Code
    values: Mapping[str, str | float | Verdict] = field(default_factory=dict)


# A verdict; or free text, such as a process's own sentence, where there is no code for it.
Reason = Verdict | str


def word(reason: Reason, translate: Callable[[str], str] = str) -> str:
    """The sentence; `translate` is gettext where the page's language is wanted."""
    if isinstance(reason, str):
        return reason
    sentence = translate(WORDING[reason.code]).format(**reason.values)
    stopped = reason.values.get("stopped")
    if not isinstance(stopped, Verdict):
        return sentence
    return translate(AND_STOPPED).format(verdict=sentence, stopped=word(stopped, translate))


def as_json(reason: Reason) -> str | dict[str, Any]:
    """{"code", "values"} of a verdict, or the free text: what the database keeps."""
    return reason if isinstance(reason, str) else asdict(reason)


def from_json(stored: str | Mapping[str, Any]) -> Reason:
    """The inverse of `as_json`; other keys than those two are passed over."""
    return stored if isinstance(stored, str) else _verdict(stored)


def _verdict(stored: Mapping[str, Any]) -> Verdict:
    values = {
        name: _verdict(value) if isinstance(value, Mapping) else value
        for name, value in stored["values"].items()
    }
    return Verdict(Code(stored["code"]), values)


def report(reason: Reason) -> dict[str, Any]:
    """For files that people open, too: a verdict's code and values, and `reason`, the sentence."""
    found = {} if isinstance(reason, str) else asdict(reason)
    return {**found, "reason": word(reason)}


def read_report(reported: Mapping[str, Any]) -> Reason:
    """The inverse of `report`: the verdict, or the sentence where no code is with it."""
    return _verdict(reported) if "code" in reported else str(reported["reason"])


def as_said(value: float) -> float:
    """Rounded as sentences give it: what reads alike is no gain."""
    return round(value, 3)


@dataclass(frozen=True)
class Gate:
    """Whether a version may serve, and why."""

    passed: bool
    verdict: Verdict

    def report(self) -> dict[str, Any]:
        """`gate` of result.json: passed, code, values, reason."""
        return {"passed": self.passed, **report(self.verdict)}
