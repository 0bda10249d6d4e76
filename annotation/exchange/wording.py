"""What is wrong with what was sent, or asked for: a template and values, a sentence when read."""

import errno
from collections.abc import Callable, Mapping


def gettext_noop(text: str) -> str:
    """Marks a template for makemessages, which goes by this name."""
    return text


LINE = gettext_noop("Line {number}")
AT_LINE = gettext_noop("Line {line}: {problem}")
OF_MODEL = gettext_noop("The model at {of_model} cannot chat: {problem}")
AROUND = {"line": AT_LINE, "of_model": OF_MODEL}
"""Sentences that hold another one, by the value that makes them so."""

OF_FILES = {
    errno.ENOSPC: gettext_noop("the server's disk is full"),
    errno.EDQUOT: gettext_noop("the server's share of the disk is used up"),
    errno.EACCES: gettext_noop("the server may not read or write it"),
    errno.EROFS: gettext_noop("the server's disk can only be read"),
    errno.ENOENT: gettext_noop("there is no such file"),
}

Values = Mapping[str, int | str]


class Worded(Exception):
    """Says what is wrong, and what to do: a sentence's template and values."""

    def __init__(self, template: str, **values: int | str) -> None:
        super().__init__(template, values)
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.worded()

    def worded(self, translate: Callable[[str], str] = str) -> str:
        return word(self.template, self.values, translate)


class Unreadable(Worded, ValueError):
    """What is wrong with what was sent."""


def word(template: str, values: Values, translate: Callable[[str], str] = str) -> str:
    """The sentence, within those of AROUND whose values there are, such as the number of a line;
    `translate` is gettext where the page's language is wanted, of a `reason` among the values, too.
    A `where` that is a number alone is a line's.
    """
    if values.get("reason"):
        values = {**values, "reason": translate(str(values["reason"]))}
    if str(values.get("where", "")).isdecimal():
        values = {**values, "where": translate(LINE).format(number=values["where"])}
    sentence = translate(template).format(**values) if values else translate(template)
    for name, around in AROUND.items():
        if name in values:
            sentence = translate(around).format(**{name: values[name], "problem": sentence})
    return sentence


def reason_of(error: Exception) -> str:
    """Why a file could not be read or written: words for the common errors, which `word`
    translates, else the system's own."""
    if isinstance(error, OSError):
        return OF_FILES.get(error.errno or 0) or error.strerror or str(error)
    return str(error)
