"""Tokenized text in files that are mapped, not read, into memory."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from annotation.exchange.files import complete_or_absent, read_json, write_json
from annotation.exchange.split import Split
from rewardmodel.learning.core.run_folder import TrainingFailure
from rewardmodel.learning.core.text_packing import Example, Segment
from rewardmodel.learning.language.text import Piece

SPLITS: tuple[Split, ...] = ("train", "heldout")
PIECES_PER_CALL = 32
DOCUMENT_SEPARATOR = "<|endoftext|>"


def separator_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token before each document: <|endoftext|> where it is known, else bos, else eos.

    Raises TrainingFailure when the tokenizer has none of them.
    """
    known = tokenizer.get_vocab().get(DOCUMENT_SEPARATOR)
    for candidate in (known, tokenizer.bos_token_id, tokenizer.eos_token_id):
        if candidate is not None:
            return cast(int, candidate)
    raise TrainingFailure("The tokenizer has no token to stand between documents; set bos_token.")


@dataclass(frozen=True)
class TokenFile:
    """One split's tokens, [separator, document, separator, document, ...], mapped from disk."""

    tokens: np.ndarray[Any, np.dtype[Any]]
    documents: int
    bytes: int

    @property
    def bytes_per_token(self) -> float:
        """How much text one token stands for."""
        return self.bytes / max(1, len(self.tokens))


def write_tokens(
    pieces: Iterable[Piece],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    made_from: dict[str, Any],
    progress: Callable[[int], None],
) -> None:
    """Makes `folder` with a file of uint16 or uint32 for each split; memory does not grow with it.

    A folder that was made from the same is kept. `progress` is given the bytes of text so far.
    """
    if (folder / "meta.json").exists():
        if read_json(folder / "meta.json")["made_from"] == made_from:
            return
        shutil.rmtree(folder)
    kind = np.dtype("uint16" if len(tokenizer) <= 1 << 16 else "uint32")
    separator = separator_id(tokenizer)
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    with complete_or_absent(folder) as aside:
        with ExitStack() as stack:
            files = {s: stack.enter_context((aside / f"{s}.bin").open("wb")) for s in SPLITS}
            for number, (piece, ids) in enumerate(_encoded(pieces, tokenizer), start=1):
                count = counts[piece.split]
                if piece.first:
                    count["documents"] += 1
                    ids = [separator, *ids]
                count["tokens"] += len(ids)
                count["bytes"] += len(piece.text.encode())
                files[piece.split].write(np.asarray(ids, dtype=kind).tobytes())
                if number % PIECES_PER_CALL == 0:
                    progress(sum(c["bytes"] for c in counts.values()))
        meta = {"dtype": kind.name, "made_from": made_from, "splits": counts}
        write_json(aside / "meta.json", meta)


def open_tokens(folder: Path) -> dict[Split, TokenFile]:
    """What `write_tokens` made."""
    meta = read_json(folder / "meta.json")
    opened: dict[Split, TokenFile] = {}
    for split in SPLITS:
        count = meta["splits"][split]
        tokens: np.ndarray[Any, np.dtype[Any]] = np.empty(0, meta["dtype"])
        if count.get("tokens"):  # an empty file cannot be mapped
            tokens = np.memmap(folder / f"{split}.bin", dtype=meta["dtype"], mode="r")
        opened[split] = TokenFile(tokens, count.get("documents", 0), count.get("bytes", 0))
    return opened


def _encoded(
    pieces: Iterable[Piece], tokenizer: PreTrainedTokenizerBase
) -> Iterator[tuple[Piece, list[int]]]:
    """Each piece with its tokens; text that looks like a special token is read as text."""
    backend = cast(Any, tokenizer).backend_tokenizer
    before, backend.encode_special_tokens = backend.encode_special_tokens, True
    try:
        for batch in _batched(pieces):
            texts = [piece.text for piece in batch]
            encodings = backend.encode_batch_fast(texts, add_special_tokens=False)
            yield from zip(batch, (encoding.ids for encoding in encodings), strict=True)
    finally:
        backend.encode_special_tokens = before


def _batched(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == PIECES_PER_CALL:
            yield batch
            batch = []
    if batch:
        yield batch


class TextBlocks(Sequence[Example]):
    """Tokens cut into blocks of `length`, the last one shorter; a document ends its segment.

    A separator begins a segment and is also what its predecessor's last token is to predict.
    """

    def __init__(self, tokens: np.ndarray[Any, np.dtype[Any]], length: int, separator: int) -> None:
        self.tokens, self.length, self.separator = tokens, length, separator

    def __len__(self) -> int:
        return max(0, math.ceil((len(self.tokens) - 1) / self.length))

    def documents_of(self, indices: Sequence[int]) -> list[int]:
        """The number of the document in which the middle of each block lies; `indices` rise."""
        middles = [self.length * index + self.length // 2 for index in indices]
        found, number = [], 0
        for start, middle in pairwise([-1, *middles]):
            passed = self.tokens[start + 1 : middle + 1]
            number += int((passed == self.separator).sum())
            found.append(number)
        return found

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = index * self.length
        ids = torch.from_numpy(self.tokens[start : start + self.length + 1].astype(np.int64))
        inputs, targets = ids[:-1], ids[1:]
        begins = (inputs == self.separator).nonzero().flatten().tolist()
        edges = sorted({0, *begins, len(inputs)})
        return [Segment(inputs[a:b], targets[a:b]) for a, b in pairwise(edges)]
