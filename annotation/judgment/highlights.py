"""Whether a highlight stands where it says."""

from annotation.judgment.judgment import LONGEST_QUOTE, Highlight


def letters_of(text: str) -> str:
    """Its letters and digits: what is left of a text however it is shown."""
    return "".join(filter(str.isalnum, text))


def is_in_place(highlight: Highlight, text: str) -> bool:
    """Whether `text` holds there what was read. A long quote is the passage's beginning."""
    if highlight.get("unplaced"):
        return True
    passage = letters_of(text[highlight["start"] : highlight["end"]])
    quote = letters_of(highlight["quote"])
    is_cut = len(highlight["quote"]) >= LONGEST_QUOTE
    return highlight["end"] <= len(text) and (
        passage.startswith(quote) if is_cut else passage == quote
    )
