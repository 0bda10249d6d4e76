"""Policies that a worker keeps loaded: each base model once, with its versions' adapters beside."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch

from annotation.lm.fused_lora import fuse_adapters
from annotation.lm.loading import (
    PolicySource,
    PolicyUnavailable,
    add_adapter,
    load_policy,
    with_adapter,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_ADAPTERS = 4  # on one base
MOST_BASES = 3
LOOKED_AT_FOR = 300.0
"""Seconds for which a base that somebody looked into is not replaced by the policy that answers."""


class Base:
    """A base model in memory, read as one of its versions at a time.

    `beside` is what was made for it and leaves memory with it.
    """

    def __init__(self, name: str) -> None:
        """Raises PolicyUnavailable."""
        self.model, self.tokenizer = load_policy(PolicySource(name))
        self.adapter: str | None = None
        self.beside: dict[str, Any] = {}
        self.looked_at = float("-inf")
        self._adapted: PeftModel | None = None
        self._names: dict[str, str] = {}  # of the adapters loaded, the longest unused first

    def use(self, adapter: str | None) -> None:
        """The model is the version with the adapter of that folder from now on.

        Raises PolicyUnavailable, and is the base model then.
        """
        if adapter == self.adapter:
            return
        # Not in inference mode: what is loaded there could not be used anywhere else.
        with torch.inference_mode(False), torch.no_grad():
            if self._adapted is not None:
                self._adapted.base_model.disable_adapter_layers()
            self.adapter = None
            if adapter is not None:
                name = self._loaded(adapter)
                assert self._adapted is not None  # noqa: S101 (for mypy)
                self._adapted.set_adapter(name)
                self._adapted.base_model.enable_adapter_layers()
                self.adapter = adapter

    def _loaded(self, adapter: str) -> str:
        name = self._names.pop(adapter, None)
        if name is None:
            name = self._load(adapter)
        self._names[adapter] = name
        return name

    def _load(self, adapter: str) -> str:
        if self._adapted is None:
            self._adapted = with_adapter(self.model, adapter, is_trainable=False)
            self.model.train(False)
            name = str(self._adapted.active_adapter)
        else:
            while len(self._names) >= MOST_ADAPTERS:
                self._adapted.delete_adapter(self._names.pop(next(iter(self._names))))
            name = hashlib.sha256(adapter.encode()).hexdigest()[:16]
            add_adapter(self._adapted, adapter, name)
        fuse_adapters(self.model)
        return name


class WarmPolicy:
    """Keeps what was loaded last, so that the next task starts at once."""

    def __init__(self) -> None:
        self._bases: dict[str, Base] = {}  # the longest unused first

    def get(self, source: PolicySource) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The policy of `source`, until the next call; another base that is held is dropped first.

        Raises PolicyUnavailable.
        """
        now = monotonic()
        for name, base in list(self._bases.items()):
            if name != source.base_model and base.looked_at < now - LOOKED_AT_FOR:
                del self._bases[name]
        base = self._read_as(source)
        return base.model, base.tokenizer

    def look_into(self, source: PolicySource) -> Base:
        """As `get`, for somebody who looks into several: other bases stay for some minutes."""
        base = self._read_as(source)
        base.looked_at = monotonic()
        return base

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """Whoever reads a policy while this looks into others reads the same one afterwards."""
        before = [(base, base.adapter) for base in self._bases.values()]
        try:
            yield
        finally:
            for base, adapter in before:
                base.use(adapter)

    def release(self) -> None:
        """Gives the memory back."""
        self._bases.clear()
        _free()

    def _read_as(self, source: PolicySource) -> Base:
        base = self._base(source.base_model)
        try:
            base.use(source.adapter)
        except PolicyUnavailable:
            self._bases.pop(source.base_model, None)  # who knows what of it was changed already
            raise
        return base

    def _base(self, name: str) -> Base:
        base = self._bases.pop(name, None)
        if base is None:
            while len(self._bases) >= MOST_BASES:
                del self._bases[next(iter(self._bases))]
            _free()
            base = self._loaded(name)
        self._bases[name] = base
        return base

    def _loaded(self, name: str) -> Base:
        """Once more with all memory, where there is not enough beside the others."""
        try:
            return Base(name)
        except PolicyUnavailable:
            if not self._bases:
                raise
        self.release()
        return Base(name)


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


warm_policy = WarmPolicy()
"""The process's own: a worker keeps it between tasks."""
