"""Policies that a worker keeps loaded: each base model once, read as any of its versions."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import torch

from annotation.lm.adapter_terms import Terms, load_terms, reading_with
from annotation.lm.loading import PolicySource, PolicyUnavailable, is_out_of_memory, load_policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_BASES = 3
MOST_ADAPTERS = 8  # of one base
LOOKED_AT_FOR = 300.0
"""Seconds for which a base that somebody looked into is not replaced by the policy that answers."""


class Base:
    """A base model in memory, with the adapter of one version merged into it or none.

    `beside` is what was made for it and leaves memory with it.
    """

    def __init__(self, source: PolicySource) -> None:
        """Raises PolicyUnavailable."""
        with torch.inference_mode(False):  # whoever asks: its weights are for all
            self.model, self.tokenizer = load_policy(source)
        self.source = source
        self.beside: dict[str, Any] = {}
        self.looked_at = float("-inf")
        self._terms: dict[str, Terms] = {}  # the longest unused first

    @contextmanager
    def read_as(self, adapter: str | None) -> Iterator[PreTrainedModel]:
        """The model is that version inside, and what it was before afterwards.

        Raises PolicyUnavailable.
        """
        with ExitStack() as stack:
            if adapter != self.source.adapter:
                for sign, name in ((-1, self.source.adapter), (1, adapter)):
                    if name is not None:
                        stack.enter_context(reading_with(self.model, self._of(name), sign))
            yield self.model

    def _of(self, adapter: str) -> Terms:
        terms = self._terms.pop(adapter, None)
        if terms is None:
            while len(self._terms) >= MOST_ADAPTERS:
                del self._terms[next(iter(self._terms))]
            terms = load_terms(adapter, self.model.device)
        self._terms[adapter] = terms
        return terms


class WarmPolicy:
    """Keeps what was loaded last, so that the next task starts at once."""

    def __init__(self) -> None:
        self._bases: dict[str, Base] = {}  # the longest unused first

    def get(self, source: PolicySource) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The policy of `source`; another one that is held is dropped first.

        Raises PolicyUnavailable.
        """
        self._bases = {name: base for name, base in self._bases.items() if _stays(base, source)}
        base = self._base(source)
        return base.model, base.tokenizer

    def look_into(self, base_model: str) -> Base:
        """For somebody who looks into several, each read as any version: others stay for minutes.

        Raises PolicyUnavailable.
        """
        base = self._base(PolicySource(base_model))
        base.looked_at = monotonic()
        return base

    def release(self) -> None:
        """Gives the memory back."""
        self._bases.clear()
        _free()

    def _base(self, source: PolicySource) -> Base:
        base = self._bases.pop(source.base_model, None)
        if base is None:
            while len(self._bases) >= MOST_BASES:
                del self._bases[next(iter(self._bases))]
            _free()
            base = self._loaded(source)
        self._bases[source.base_model] = base
        return base

    def _loaded(self, source: PolicySource) -> Base:
        """Once more with all memory, where there is not enough beside the others."""
        try:
            return Base(source)
        except (PolicyUnavailable, RuntimeError, MemoryError) as problem:
            if not self._bases or not is_out_of_memory(problem.__cause__ or problem):
                raise
        self.release()
        return Base(source)


def _stays(base: Base, source: PolicySource) -> bool:
    """In memory, when the policy of `source` is to answer."""
    if base.source.base_model == source.base_model:
        return base.source == source
    return base.looked_at > monotonic() - LOOKED_AT_FOR


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


warm_policy = WarmPolicy()
"""The process's own: a worker keeps it between tasks."""
