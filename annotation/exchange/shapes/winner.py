"""Which answer somebody called better: by its name, number, letter, side or text; or a tie."""

import re
from collections.abc import Sequence

from annotation.exchange.shapes.item import Judged

TIES = {
    *("tie", "ties", "draw", "equal", "same", "=", "both", "bothgood", "botharegood"),
    *("tieinconsistent", "tiebothgood", "nopreference"),
    *("平", "平局", "一样", "一样好", "都好", "两个都好", "相同"),
}
ALL_BAD = {
    *("tiebothbad", "bothbad", "botharebad", "neither", "none"),
    *("都不好", "两个都不好", "都差", "均不好"),
}
"""As `_plain` spells them, and so are TIES."""
PLACES = {
    word: place
    for place, words in enumerate(
        ("left first a 1 甲 一 左", "right second b 2 乙 二 右", "third c 3 丙 三", "d 4 丁 四")
    )
    for word in words.split()
}
_NUMBER = re.compile(
    r"(\d+|[_\s-][a-z]|(?<=[a-z])[A-D]|(?<=[\u4e00-\u9fff])[A-Da-d一二三四甲乙丙丁])$"
)
_OWNED = re.compile(r"(?:model|assistant|模型)[_\s-]?(\d|[a-d])(?![a-z])", re.IGNORECASE)
_KINDS = "answer|response|model|output|candidate|completion|assistant|回答|答案|模型"
_OF_KIND = re.compile(rf"^(?:{_KINDS})[ _-]?")


def number_of(name: str) -> str:
    """What tells answer columns apart: the number or letter at the end, or behind “model”."""
    found = _NUMBER.search(name.strip()) or _OWNED.search(name)
    return found[1].strip("_- ").lower() if found else ""


def _plain(word: str) -> str:
    """Without what parts its words: “tie (both bad)”, “both_bad”."""
    return re.sub(r"[\s_()（）-]+", "", word.lower())


def is_tie(word: str) -> bool:
    return _plain(word) in TIES


def is_all_bad(word: str) -> bool:
    return _plain(word) in ALL_BAD


def better(
    said: str,
    names: Sequence[str],
    texts: Sequence[object] = (),
    counts_from: int | None = None,
) -> Judged | None:
    """The best answer, above all others, or that all are alike; None: nobody knows the word, such
    as 0, which is a tie in one file and the first answer in another, unless somebody said from
    which number answers are counted."""
    word = said.strip().lower()
    if is_all_bad(word):
        return Judged(ranks=(1,) * len(names), none_acceptable=True)
    if is_tie(word) and word not in map(number_of, names):
        return Judged(ranks=(1,) * len(names))
    at = place_of(said, names, texts, counts_from)
    if at is None:
        return None
    return Judged(given={"pairs": tuple((at, other) for other in range(len(names)) if other != at)})


def is_verdict(word: str, names: Sequence[str]) -> bool:
    """Whether it says which of these is better, or a number that might."""
    return word.isdecimal() or better(word, names) is not None


def place_of(
    said: str,
    names: Sequence[str],
    texts: Sequence[object] = (),
    counts_from: int | None = None,
) -> int | None:
    word = said.strip().lower()
    if counts_from is not None and word.isdecimal():
        return _counted(word, names, counts_from)
    numbers = [number_of(name) or name.lower() for name in names]
    for at, name in enumerate(names):
        if word in (name.lower(), numbers[at]) or (at < len(texts) and said == texts[at]):
            return at
    for at, number in enumerate(numbers):
        said_so = rf"(?:(?:{_KINDS})[ _-]?)?{re.escape(number)}(?:更好|较好| is better)?"
        if re.fullmatch(said_so, word):
            return at
    bare = _OF_KIND.sub("", word)
    if bare != word and bare.isdecimal():  # "model_1" is the second where the first is "model_0"
        return None if counts_from is None else _counted(bare, names, counts_from)
    place = PLACES.get(bare, len(names))
    return _in_order(names)[place] if place < len(names) else None


def _counted(number: str, names: Sequence[str], counts_from: int) -> int | None:
    at = int(number[:9]) - counts_from
    return _in_order(names)[at] if 0 <= at < len(names) else None


def _in_order(names: Sequence[str]) -> list[int]:
    """The places of the first answer, the second, and so on: by the numbers or letters in their
    names, where these count, else as they stand."""
    own = [number_of(name) for name in names]
    counts = [int(each) if each.isdecimal() else PLACES.get(each, -1) for each in own]
    least = min(counts, default=-1)
    if least < 0 or sorted(counts) != list(range(least, least + len(names))):
        return list(range(len(names)))
    return sorted(range(len(names)), key=counts.__getitem__)
