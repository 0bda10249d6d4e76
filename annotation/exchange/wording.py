"""What is wrong with a line that somebody sent: a template and its values, a sentence when read."""

from collections.abc import Callable, Mapping


def gettext_noop(text: str) -> str:
    """Marks a template for makemessages, which goes by this name."""
    return text


AT_LINE = gettext_noop("Line {line}: {problem}")


def word(template: str, values: Mapping[str, int], translate: Callable[[str], str] = str) -> str:
    """The sentence, with the number of the line where `values` name one; `translate` is gettext
    where the page's language is wanted."""
    sentence = translate(template).format(**values) if values else translate(template)
    if "line" not in values:
        return sentence
    return translate(AT_LINE).format(line=values["line"], problem=sentence)
