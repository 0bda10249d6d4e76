"""What is wrong with a line that somebody sent: a template and its values, a sentence when read."""

from collections.abc import Callable, Mapping


def gettext_noop(text: str) -> str:
    """Marks a template for makemessages, which goes by this name."""
    return text


AT_LINE = gettext_noop("Line {line}: {problem}")


Values = Mapping[str, int | str]


class Unreadable(ValueError):
    """Says what is wrong with what was sent, and what to do: a sentence's template and values."""

    def __init__(self, template: str, **values: int | str) -> None:
        super().__init__(template, values)
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.worded()

    def worded(self, translate: Callable[[str], str] = str) -> str:
        return word(self.template, self.values, translate)


def word(template: str, values: Values, translate: Callable[[str], str] = str) -> str:
    """The sentence, with the number of the line where `values` name one; `translate` is gettext
    where the page's language is wanted."""
    sentence = translate(template).format(**values) if values else translate(template)
    if "line" not in values:
        return sentence
    return translate(AT_LINE).format(line=values["line"], problem=sentence)
