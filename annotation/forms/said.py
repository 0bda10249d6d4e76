"""Fields for what labelers type and mark, as it is stored."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.exchange.untrusted_json import UntrustedDecoder
from annotation.forms.untrusted_json import UntrustedJSONField
from annotation.judgment.judgment import HIGHLIGHT_LABELS, LONGEST_QUOTE, Highlight

MOST_HIGHLIGHTS = 50


def typed(text: str) -> str:
    """As it is stored: lines end as everywhere, without what no database or UTF-8 file can hold."""
    whole = text.replace("\r\n", "\n").replace("\0", "")
    return whole.encode("utf-8", "replace").decode()


class TypedField(forms.CharField):
    """A text that somebody typed."""

    def to_python(self, value: Any) -> str:
        return typed(super().to_python(value) or "")


class HighlightsDecoder(UntrustedDecoder):
    """A quote may begin within a character, and is `typed` before it is stored."""

    checks_texts = False


class HighlightsField(UntrustedJSONField):
    """A list of highlights as JSON; an empty field is an empty list."""

    decoder_class = HighlightsDecoder

    def clean(self, value: Any) -> tuple[Highlight, ...]:
        found = super().clean(value)
        if found is None:
            return ()
        if not isinstance(found, list) or len(found) > MOST_HIGHLIGHTS:
            raise forms.ValidationError(_("These highlights cannot be read."))
        return tuple(map(self._checked, found))

    def _checked(self, one: Any) -> Highlight:
        match one:
            case {"start": int(start), "end": int(end), "label": str(label), "quote": str(quote)}:
                quote = typed(quote)[:LONGEST_QUOTE]
                if label in HIGHLIGHT_LABELS and 0 <= start < end:
                    return Highlight(start=start, end=end, label=label, quote=quote)
                if label in HIGHLIGHT_LABELS and one.get("unplaced") is True:
                    return Highlight(start=0, end=0, label=label, quote=quote, unplaced=True)
        raise forms.ValidationError(_("These highlights cannot be read."))
