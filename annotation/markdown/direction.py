"""Which way a text runs: from right to left where most of its words are Arabic, Hebrew and so on.

The browser's own guess (`dir="auto"`) looks at the first letter alone, so that an Arabic sentence
about Python is laid out as if it were English.
"""

import re

RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def direction_of(text: str) -> str:
    """Either "rtl" or "ltr"; "" without any letter. A tie is "rtl": terms are often Latin there."""
    if not RIGHT_TO_LEFT.search(text):
        return "ltr" if any(map(str.isalpha, text)) else ""
    words = [word for word in text.split() if any(map(str.isalpha, word))]
    from_right = sum(RIGHT_TO_LEFT.search(word) is not None for word in words)
    if not words:
        return ""
    return "rtl" if 2 * from_right >= len(words) else "ltr"
