"""The word chain's questions: what versions make of the next token, or of all positions."""

from collections.abc import Mapping, Sequence

from annotation.lm.chat import with_system
from annotation.models import PolicyVersion, Project
from annotation.services.asking import Answer, Question, ask
from annotation.services.looking import BOX, TASK, sources


def look(
    project: Project,
    versions: Sequence[PolicyVersion],
    *,
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
    how: Mapping[str, float],
    patience: float,
) -> Answer | None:
    """What each version makes of the token after `tokens`; None: ask again. Raises one of AWAY."""
    question = _question(project, versions, prompt, is_chat, tokens)
    return ask(BOX, TASK, {**question, "way": "step", "how": dict(how)}, patience)


def sweep(
    project: Project,
    version: PolicyVersion,
    *,
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
    settled: int,
    patience: float,
) -> Answer | None:
    """One pass over all positions; None: ask again. Raises one of AWAY."""
    question = _question(project, [version], prompt, is_chat, tokens)
    return ask(BOX, TASK, {**question, "way": "sweep", "settled": settled}, patience)


def _question(
    project: Project,
    versions: Sequence[PolicyVersion],
    prompt: str,
    is_chat: bool,
    tokens: Sequence[int],
) -> Question:
    """The model reads what it would to answer the prompt in the project's queue."""
    messages = with_system([{"role": "user", "content": prompt}], project.system_prompt)
    return {
        "sources": sources(versions),
        "messages": messages,
        "is_chat": is_chat,
        "tokens": list(tokens),
    }
