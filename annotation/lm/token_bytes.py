"""The bytes that a token stands for: of a Chinese character a token may hold a third."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
SPACE = "▁"


class TokenBytes:
    """Of one tokenizer, whether it writes bytes as characters (byte-level, as GPT-2 does), or
    characters, with spaces and single bytes spelled out (SentencePiece)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.special = {
            index: token.content for index, token in tokenizer.added_tokens_decoder.items()
        }
        self.is_byte_level = "ByteLevel" in _stated(tokenizer)

    def of(self, token: int) -> bytes:
        """What the token adds to the text; of a special token its name."""
        if token in self.special:
            return self.special[token].encode()
        symbol = cast("str | None", self.tokenizer.convert_ids_to_tokens(token))
        if symbol is None:  # the model has more rows than the tokenizer tokens
            return b""
        if self.is_byte_level and all(character in OF_CHARACTER for character in symbol):
            return bytes(OF_CHARACTER[character] for character in symbol)
        if spelled := BYTE.fullmatch(symbol):
            return bytes.fromhex(spelled[1])
        return symbol.replace(SPACE, " ").encode()


def _stated(tokenizer: PreTrainedTokenizerBase) -> str:
    """What the tokenizer says of how tokens become text."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return ""
    stated = json.loads(backend.to_str())
    return json.dumps([stated["pre_tokenizer"], stated["decoder"]])


def _characters_of_bytes() -> dict[str, int]:
    """The characters that byte-level tokenizers write bytes as: printable ones are themselves, the
    others follow from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


OF_CHARACTER = _characters_of_bytes()
