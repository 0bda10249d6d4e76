"""Rows as files: JSON Lines, a JSON array, CSV, Parquet, and LLaMA-Factory's folder as an archive.

All are written row by row: memory does not grow with the rows.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from annotation.exchange.jsonl import as_json
from annotation.exchange.triples import csv_lines
from annotation.exchange.writing.native import Row
from annotation.exchange.writing.pairs import LLAMAFACTORY_INFO
from annotation.exchange.writing.parquet_schemas import flat, schema_of

ROWS_A_BATCH = 1000


@dataclass(frozen=True)
class Container:
    """A kind of file: its name's ending, its type on the web, and what writes it."""

    extension: str
    content_type: str
    write: Callable[[Iterable[Row], IO[bytes]], None]


def write_jsonl(rows: Iterable[Row], file: IO[bytes]) -> None:
    for row in rows:
        file.write(as_json(row) + b"\n")


def write_array(rows: Iterable[Row], file: IO[bytes]) -> None:
    before = b"["
    for row in rows:
        file.write(before + as_json(row))
        before = b",\n"
    file.write(b"[]\n" if before == b"[" else b"]\n")


def write_csv(rows: Iterable[Row], file: IO[bytes]) -> None:
    for line in csv_lines(rows):
        file.write(line.encode())


def write_llamafactory(rows: Iterable[Row], file: IO[bytes]) -> None:
    """An archive to unpack into its `data` folder, or to name as `dataset_dir`."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        info = {"laoshi": LLAMAFACTORY_INFO}
        archive.writestr("dataset_info.json", json.dumps(info, indent=2))
        with archive.open(LLAMAFACTORY_INFO["file_name"], "w", force_zip64=True) as member:
            write_array(rows, member)


def parquet(name: str) -> Container:
    """Of rows with the schema of that name."""

    def write(rows: Iterable[Row], file: IO[bytes]) -> None:
        import pyarrow
        from pyarrow.parquet import ParquetWriter

        schema = schema_of(name)
        with ParquetWriter(file, schema, compression="zstd") as writer:
            for batch in _batches(rows):
                flattened = [flat(name, row) for row in batch]
                writer.write_table(pyarrow.Table.from_pylist(flattened, schema))

    return Container("parquet", "application/vnd.apache.parquet", write)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, ROWS_A_BATCH)):
        yield batch


JSONL = Container("jsonl", "application/x-ndjson; charset=utf-8", write_jsonl)
ARRAY = Container("json", "application/json; charset=utf-8", write_array)
CSV = Container("csv", "text/csv; charset=utf-8", write_csv)
LLAMAFACTORY = Container("zip", "application/zip", write_llamafactory)
