"""Columns of Parquet files; what has no fixed shape stands as JSON in a text column."""

from collections.abc import Mapping
from typing import Any

from annotation.exchange.jsonl import canonical

GROUPS, TRIPLES, PREFERENCES = "groups", "triples", "preferences"


def schema_of(name: str) -> Any:
    import pyarrow as pa

    text, whole, real, truth = pa.string(), pa.int64(), pa.float64(), pa.bool_()
    texts, wholes = pa.list_(text), pa.list_(whole)
    messages = pa.list_(pa.struct({"role": text, "content": text}))
    if name == PREFERENCES:
        return pa.schema({"prompt": messages, "chosen": messages, "rejected": messages})
    if name == TRIPLES:
        return pa.schema(
            {
                "question": text,
                "messages": messages,
                "answer": text,
                "score": real,
                "rank": whole,
                "quality": whole,
                "flags": text,
                "marks": text,
                "none_acceptable": truth,
                "comment": text,
                "labeler": text,
                "group": whole,
                "policy": whole,
                "split": text,
                "language": text,
                "finish_reason": text,
                "ranked_at": text,
            }
        )
    highlight = {"start": whole, "end": whole, "label": text, "quote": text, "unplaced": truth}
    ranking = {
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
        "seconds": real,
        "ranked_at": text,
        "labelers": whole,
    }
    source = {
        "policy": whole,
        "base_model": text,
        "author": text,
        "sha256": text,
        "seed": whole,
        "sampling": text,
        "tokens": whole,
    }
    return pa.schema(
        {
            "schema": text,
            "id": text,
            "prompt_id": text,
            "lang": text,
            "split": text,
            "prompt": messages,
            "system_prompt": text,
            "answers": texts,
            "finish_reasons": texts,
            "sources": pa.list_(pa.struct(source)),
            "picked": text,
            "seed": whole,
            "answered_at": text,
            "rankings": pa.list_(pa.struct(ranking)),
            "skips": pa.list_(pa.struct({"labeler": text, "reason": text, "at": text})),
            "reports": pa.list_(
                pa.struct({"labeler": text, "text": text, "at": text, "resolved": truth})
            ),
        }
    )


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
