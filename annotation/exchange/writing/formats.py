"""Which files can be made, and what each cannot hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from annotation.exchange.writing import pairs, tools
from annotation.exchange.writing.containers import (
    ARRAY,
    CSV,
    JSONL,
    LLAMAFACTORY,
    Container,
    parquet,
)
from annotation.exchange.writing.native import Row
from annotation.exchange.writing.parquet_schemas import GROUPS, PREFERENCES, TRIPLES

Source = Literal["groups", "triples", "prompts", "demonstrations"]

# What a format may lose; forms/exports.py says them in words.
TIES, LIST, LABELERS, NOTES = "ties", "list", "labelers", "notes"
SYSTEM, TURNS, VERSIONS = "system", "turns", "versions"
ABOUT, WRITERS = "about", "writers"


def as_it_is(row: Row) -> tuple[Row]:
    return (row,)


@dataclass(frozen=True)
class Format:
    """`rows` makes rows of one row of the source; one that gives none could not be held."""

    name: str
    title: str
    rows: Callable[[Row], Iterable[Row]] = as_it_is
    container: Container = JSONL
    source: Source = "groups"
    loses: tuple[str, ...] = ()


def trl_prompt(row: Row) -> Iterator[dict[str, Any]]:
    yield {"prompt": row["prompt"]}


def conversation(row: Row) -> Iterator[dict[str, Any]]:
    yield {"messages": row["messages"]}


_PAIRS = (TIES, LIST, LABELERS, NOTES, VERSIONS, ABOUT)
_TOOLS = (TIES, NOTES, VERSIONS, ABOUT)
_TRIPLES = (NOTES, ABOUT)
_ALL = (
    Format("groups", "Laoshi groups"),
    Format("groups_parquet", "Laoshi groups, Parquet", container=parquet(GROUPS)),
    Format("triples_csv", "Triples, CSV", as_it_is, CSV, "triples", _TRIPLES),
    Format("triples", "Triples", as_it_is, JSONL, "triples", _TRIPLES),
    Format("triples_parquet", "Triples, Parquet", as_it_is, parquet(TRIPLES), "triples", _TRIPLES),
    Format("trl_preference", "TRL preference", pairs.trl_preference, loses=_PAIRS),
    Format(
        "trl_preference_parquet",
        "TRL preference, Parquet",
        pairs.trl_preference,
        parquet(PREFERENCES),
        loses=_PAIRS,
    ),
    Format("trl_unpaired", "TRL unpaired (KTO)", pairs.trl_unpaired, loses=_PAIRS),
    Format("trl_prompts", "TRL prompt-only", trl_prompt, source="prompts", loses=(ABOUT,)),
    Format(
        "sft",
        "TRL and OpenAI supervised",
        conversation,
        source="demonstrations",
        loses=(ABOUT, WRITERS),
    ),
    Format("openai_preference", "OpenAI preference", pairs.openai_preference, loses=_PAIRS),
    Format("openrlhf", "OpenRLHF", pairs.openrlhf, loses=_PAIRS),
    Format(
        "llamafactory",
        "LLaMA-Factory",
        pairs.llamafactory,
        LLAMAFACTORY,
        loses=(*_PAIRS, TURNS),
    ),
    Format("hh_rlhf", "HH-RLHF", pairs.hh_rlhf, loses=(*_PAIRS, SYSTEM, TURNS)),
    Format("ultrafeedback", "UltraFeedback binarised", pairs.ultrafeedback, loses=_PAIRS),
    Format("argilla", "Argilla records", tools.argilla, ARRAY, loses=_TOOLS),
    Format("label_studio", "Label Studio tasks", tools.label_studio, ARRAY, loses=_TOOLS),
    Format("arena", "Arena battles", tools.arena, ARRAY, loses=(LIST, NOTES, ABOUT)),
    Format(
        "open_assistant",
        "Open-Assistant trees",
        tools.open_assistant,
        loses=(*_TOOLS, SYSTEM),
    ),
)
FORMATS = {each.name: each for each in _ALL}
