"""The frozen language model that a head reads, and what it reads of answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from transformers import PreTrainedModel

from annotation.exchange.jsonl import canonical
from annotation.lm.chat import Chat
from annotation.lm.context import within_context
from rewardmodel.learning.core.distributed import reads_bfloat16
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout, truncate
from rewardmodel.learning.core.packing_check import choose_layout
from rewardmodel.learning.reward.choice import layers_to_read
from rewardmodel.learning.reward.feature_cache import Asked, FeatureCache, Features
from rewardmodel.learning.reward.features import (
    POOLINGS,
    FeatureReader,
    decoder_layers,
    log_lengths,
)
from rewardmodel.learning.reward.model import encode
from rewardmodel.learning.reward.tokens import Reading, TokenStates, read_with_tokens

Read = TypeVar("Read", Features, TokenStates)
READ_AT_ONCE = 32  # groups
MOST_IN_MEMORY = 512_000_000  # bytes of tokens that a second pass would read again
HALF = 2  # bytes
_layouts: WeakKeyDictionary[PreTrainedModel, Layout] = WeakKeyDictionary()
"""Of a model that stays in memory while backbones come and go."""


class Backbone:
    """Reads answers as six of the model's layers see them. Where `kept` names a folder, what was
    read is kept there, and read once.

    `name` is where the model was loaded from; `group_tokens` as in RewardConfig.
    """

    def __init__(
        self, name: str, network: PreTrainedModel, chat: Chat, group_tokens: int, kept: Path | None
    ) -> None:
        self.network, self.chat = network, chat
        self.longest = within_context(network, group_tokens, "group_tokens")
        self.layers = layers_to_read(len(decoder_layers(network)))
        self.reader = FeatureReader(network, self.layers)
        self.cache = None if kept is None else FeatureCache(kept / self._key(name))

    def unread(self, groups: Sequence[Asked], layer: int | None = None) -> list[Asked]:
        """Those that are not kept yet; or their tokens in that layer, where one is named."""
        cache = self.cache
        return [
            group
            for group in groups
            if cache is None
            or not cache.knows(group)
            or (layer is not None and not cache.knows(group, layer))
        ]

    def layers_in_memory(self, groups: Sequence[EncodedGroup]) -> tuple[int, ...]:
        """Those whose tokens are best kept when the groups are read, for which of them is wanted
        shows only later: all or none. Where files are kept, it is known from the time before."""
        answers = sum(len(answer) for group in groups for answer in group.answers)
        width = self.network.config.get_text_config().hidden_size
        size = answers * width * len(self.layers) * HALF
        return self.layers if self.cache is None and 0 < size <= MOST_IN_MEMORY else ()

    def read(
        self,
        groups: Sequence[Asked],
        tokens: int,
        tell: Callable[[int], None] = lambda read: None,
        encoded: Sequence[EncodedGroup] | None = None,
        layers: Sequence[int] = (),
    ) -> list[Features]:
        """Of each group's answers; `tokens` bounds one forward pass, and `tell` is told after each
        how many answers of those that were not known have been read. `encoded` are the groups'
        tokens, for whoever has them. Of what was not known every token is read, too, as `layers`
        give it."""
        found = [self.cache.get(group) if self.cache else None for group in groups]

        def read(given: Sequence[EncodedGroup], tell: Callable[[int], None]) -> list[Features]:
            every = self._read(self.reader, layers, given, tokens, tell)
            return [
                Features(each.hidden, log_lengths(group), each.tokens)
                for each, group in zip(every, given, strict=True)
            ]

        for place, new in self._missing(found, read, groups, tell, encoded):
            found[place] = self.cache.put(groups[place], new) if self.cache else new
        return [features for features in found if features is not None]

    def read_tokens(
        self,
        groups: Sequence[Asked],
        layer: int,
        tokens: int,
        tell: Callable[[int], None] = lambda read: None,
        encoded: Sequence[EncodedGroup] | None = None,
    ) -> list[TokenStates]:
        """As `read`, every token of the answers as `layer` gives it."""
        found = [self.cache.tokens(group, layer) if self.cache else None for group in groups]

        def read(given: Sequence[EncodedGroup], tell: Callable[[int], None]) -> list[TokenStates]:
            reader = FeatureReader(self.network, [layer])
            every = self._read(reader, [layer], given, tokens, tell)
            return [each.tokens[layer] for each in every]

        for place, new in self._missing(found, read, groups, tell, encoded):
            found[place] = new
            if self.cache:
                self.cache.put_tokens(groups[place], layer, new)
        return [states for states in found if states is not None]

    def _read(
        self,
        reader: FeatureReader,
        layers: Sequence[int],
        given: Sequence[EncodedGroup],
        tokens: int,
        tell: Callable[[int], None],
    ) -> list[Reading]:
        return read_with_tokens(reader, layers, self.layout, given, self.chat.pad, tokens, tell)

    def _missing(
        self,
        known: Sequence[Read | None],
        read: Callable[[Sequence[EncodedGroup], Callable[[int], None]], list[Read]],
        groups: Sequence[Asked],
        tell: Callable[[int], None],
        encoded: Sequence[EncodedGroup] | None,
    ) -> Iterator[tuple[int, Read]]:
        """What is not known, with its place, READ_AT_ONCE groups at a time: what is kept outlives a
        killed process."""
        missing = [place for place, found in enumerate(known) if found is None]
        answers = 0
        for start in range(0, len(missing), READ_AT_ONCE):
            part = missing[start : start + READ_AT_ONCE]
            given = [encoded[i] if encoded else self._encode(groups[i]) for i in part]
            yield from zip(part, read(given, partial(_after, tell, answers)), strict=True)
            answers += sum(len(group.answers) for group in given)

    def _encode(self, group: Asked) -> EncodedGroup:
        return truncate(encode(self.chat, *group), self.longest)

    @property
    def layout(self) -> Layout:
        if self.network not in _layouts:
            _layouts[self.network] = choose_layout(self.reader, self.network, self.longest)
        return _layouts[self.network]

    def _key(self, name: str) -> str:
        """Of all that features depend on beside the texts. A folder's weights are known by the
        names, sizes and times of their files, a hub's by the commit."""
        device = self.network.device
        files = sorted(path for path in Path(name).glob("*") if path.is_file())
        facts = {
            "name": name,
            "commit": getattr(self.network.config, "_commit_hash", None),
            "files": [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files],
            # bfloat16 on a GPU and on some processors, float32 on others
            "device": device.type + (" bfloat16" if reads_bfloat16(device) else ""),
            "longest": self.longest,
            "layers": self.layers,
            "poolings": POOLINGS,
        }
        return hashlib.sha256(canonical(facts).encode()).hexdigest()[:24]


def _after(tell: Callable[[int], None], before: int, read: int) -> None:
    tell(before + read)
