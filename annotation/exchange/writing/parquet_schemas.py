"""Columns of Parquet files; what has no fixed shape stands as JSON in a text column."""

from collections.abc import Mapping
from typing import Any

from annotation.exchange.jsonl import canonical

GROUPS, TRIPLES, PREFERENCES = "groups", "triples", "preferences"


def schema_of(name: str) -> Any:
    import pyarrow as pa

    messages = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
    if name == PREFERENCES:
        return pa.schema({"prompt": messages, "chosen": messages, "rejected": messages})
    return pa.schema(_triple(pa, messages) if name == TRIPLES else _group(pa, messages))


def _triple(pa: Any, messages: Any) -> dict[str, Any]:
    text, whole = pa.string(), pa.int64()
    return {
        "question": text,
        "messages": messages,
        "answer": text,
        "score": pa.float64(),
        "rank": whole,
        "quality": whole,
        "flags": text,
        "marks": text,
        "none_acceptable": pa.bool_(),
        "comment": text,
        "labeler": text,
        "group": whole,
        "policy": whole,
        "split": text,
        "language": text,
        "finish_reason": text,
        "ranked_at": text,
    }


def _group(pa: Any, messages: Any) -> dict[str, Any]:
    text, whole, texts = pa.string(), pa.int64(), pa.list_(pa.string())
    source = {
        "policy": whole,
        "base_model": text,
        "author": text,
        "sha256": text,
        "seed": whole,
        "sampling": text,
        "tokens": whole,
    }
    skip = {"labeler": text, "reason": text, "at": text}
    report = {"labeler": text, "text": text, "at": text, "resolved": pa.bool_()}
    return {
        "schema": text,
        "id": text,
        "prompt_id": text,
        "lang": text,
        "split": text,
        "tags": texts,
        "prompt": messages,
        "system_prompt": text,
        "answers": texts,
        "finish_reasons": texts,
        "sources": pa.list_(pa.struct(source)),
        "picked": text,
        "seed": whole,
        "answered_at": text,
        "rankings": pa.list_(pa.struct(_ranking(pa))),
        "skips": pa.list_(pa.struct(skip)),
        "reports": pa.list_(pa.struct(report)),
    }


def _ranking(pa: Any) -> dict[str, Any]:
    text, whole, truth = pa.string(), pa.int64(), pa.bool_()
    texts, wholes = pa.list_(text), pa.list_(whole)
    highlight = {"start": whole, "end": whole, "label": text, "quote": text, "unplaced": truth}
    return {
        "labeler": text,
        "revision": whole,
        "mode": text,
        "ranks": wholes,
        "shown_order": wholes,
        "letters": texts,
        "ratings": wholes,
        "flags": pa.list_(texts),
        "highlights": pa.list_(pa.list_(pa.struct(highlight))),
        "marks": texts,
        "none_acceptable": truth,
        "comment": text,
        "better": pa.struct({"text": text, "source": whole, "is_first": truth}),
        "given": text,
        "informed": truth,
        "seconds": pa.float64(),
        "ranked_at": text,
        "labelers": whole,
    }


def flat(name: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row as the schema has it."""
    if name != GROUPS:
        return row
    sources = [{**each, "sampling": canonical(each["sampling"])} for each in row["sources"]]
    rankings = [
        {**each, "given": canonical(each["given"]) if "given" in each else None}
        for each in row["rankings"]
    ]
    return {**row, "sources": sources, "rankings": rankings}
