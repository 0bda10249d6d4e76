"""What the accelerator worker is asked about versions, as JSON has it, and what it says."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from annotation.lm.chat import ChatError
from annotation.lm.loading import DAMAGE, PolicySource, PolicyUnavailable, brief
from annotation.lm.playground import MOMENT, write
from annotation.lm.sampler import SamplingParameters
from annotation.lm.version import Beginning
from annotation.lm.warm import WarmPolicy
from annotation.lm.word_chain import Draw, look, sweep

logger = logging.getLogger(__name__)


def answer(question: dict[str, Any], warm: WarmPolicy) -> dict[str, Any]:
    """To what the word chain and the playground ask (`annotation/services`); or the problem."""
    try:
        return WAYS[question["way"]](question, warm)
    except (PolicyUnavailable, ChatError) as problem:
        return {"problem": str(problem)}
    except DAMAGE as problem:  # whatever else the worker does goes on
        logger.exception("A look into %s failed", question["sources"])
        return {"problem": brief(problem)}


def asked_next(question: dict[str, Any], said: dict[str, Any]) -> dict[str, Any] | None:
    """What its asker will ask next; None where that is theirs to say."""
    if question["way"] == "write" and said.get("finish_reason") == "":
        return {**question, "tokens": said["tokens"]}
    return None


def _look(question: dict[str, Any], warm: WarmPolicy) -> dict[str, Any]:
    sources, how = _sources(question), Draw(**question["how"])
    looks = look(sources, _beginning(question), question["tokens"], how, warm)
    return {"looks": [asdict(each) for each in looks]}


def _sweep(question: dict[str, Any], warm: WarmPolicy) -> dict[str, Any]:
    [source], settled = _sources(question), question["settled"]
    return asdict(sweep(source, _beginning(question), question["tokens"], settled, warm))


def _write(question: dict[str, Any], warm: WarmPolicy) -> dict[str, Any]:
    [source], how = _sources(question), SamplingParameters(**question["how"])
    given = {name: question[name] for name in ("messages", "tokens", "seed", "of")}
    moment = MOMENT if question["tokens"] else 0.0  # the first word is to stand there soon
    return asdict(write(source, how=how, warm=warm, moment=moment, **given))


WAYS = {"step": _look, "sweep": _sweep, "write": _write}


def _sources(question: dict[str, Any]) -> list[PolicySource]:
    return [PolicySource(**source) for source in question["sources"]]


def _beginning(question: dict[str, Any]) -> Beginning:
    return Beginning(question["messages"], question["is_chat"])
