"""A field for JSON, read within the limits of `exchange/untrusted_json.py`."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.exchange.untrusted_json import LIMITS, Fault, UnreadableJson, UntrustedDecoder

SENTENCES = {
    Fault.SIZE: _("Write at most %(characters)d characters."),
    Fault.DEPTH: _("This is nested deeper than %(levels)d levels."),
    Fault.DIGITS: _("A number has more than %(digits)d characters."),
    Fault.NUMBER: _("A number is not finite."),
    Fault.HALF: _("It holds half a character (such as \\ud83d): remove it."),
    Fault.NULL: _("It holds a null character (\\u0000): remove it."),
}


class UntrustedJSONField(forms.JSONField):
    decoder_class = UntrustedDecoder

    def __init__(self, encoder: Any = None, decoder: Any = None, **given: Any) -> None:
        super().__init__(encoder=encoder, decoder=self.decoder_class, **given)

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except forms.ValidationError as error:
            if isinstance(error.__context__, UnreadableJson):
                sentence = SENTENCES[error.__context__.fault]
                raise forms.ValidationError(sentence, params=LIMITS) from error
            raise
