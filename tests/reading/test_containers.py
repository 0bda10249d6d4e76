"""What holds the rows is known by its content; what is wrong is said of its row."""

import gzip
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from annotation.exchange.reading import source
from annotation.exchange.reading.container import Row, container_of
from annotation.exchange.reading.guessing import guessed
from annotation.exchange.reading.reading import look_at
from annotation.exchange.shapes.item import item_of
from annotation.exchange.untrusted_json import MOST_CHARACTERS
from annotation.exchange.wording import Unreadable

ROWS = [{"prompt": "Why?", "lang": "en"}, {"prompt": "为什么？", "lang": "zh"}]
LONG = "a" * 1_000_000
LINES = "".join(f"{json.dumps(row)}\n" for row in ROWS)


def rows(file: Path, content: bytes, after: int = 0) -> list[Row]:
    file.write_bytes(content)
    return list(container_of(file).rows(after))


def values(file: Path, content: bytes) -> list[Any]:
    return [row.value for row in rows(file, content)]


def problem(file: Path, content: bytes) -> str:
    file.write_bytes(content)
    with pytest.raises(Unreadable) as refused:
        list(container_of(file).rows())
    return str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        json.dumps(ROWS).encode(),
        json.dumps(ROWS, indent=2).encode(),
        json.dumps({"version": 1, "data": ROWS}).encode(),
        json.dumps({"version": "1.0", "rows": ROWS, "note": "a" * 300_000}).encode(),
        json.dumps({"by": {"all": ROWS}, "terms": [{"a": 1}], "rows": ROWS, "n": LONG}).encode(),
        json.dumps({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]}).encode(),
        "prompt,lang\nWhy?,en\n为什么？,zh\n".encode(),
        'prompt\tlang\r\n"Why?"\ten\r\n为什么？\tzh\r\n'.encode(),
        "prompt;lang\nWhy?;en\n为什么？;zh".encode(),
        "sep=;\nprompt;lang\nWhy?;en\n为什么？;zh".encode(),
        "\n\nprompt, lang\nWhy?, en\n为什么？, zh".encode(),
        json.dumps({"train": ROWS[:1], "test": ROWS[1:]}).encode(),
        json.dumps({"train": ROWS[:1], "note": [LONG], "test": ROWS[1:]}).encode(),
        "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
        "".join(f"{json.dumps(row)},\n" for row in ROWS).encode(),
        json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
        json.dumps({n: {"0": ROWS[0][n], "1": ROWS[1][n]} for n in ROWS[0]}, indent=1).encode(),
        json.dumps(dict(enumerate(ROWS))).encode(),
    ],
    ids=[
        *("lines", "array", "indented", "wrapped", "long", "late", "viewer", "CSV", "TSV"),
        "semicolons",
        *(
            "Excel",
            "spaced",
            "splits",
            "long splits",
            "jq",
            "commas",
            "columns",
            "pandas",
            "by number",
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gzip"])
def test_all_of_them_hold_the_same_rows(file: Path, content: bytes, encoding: str) -> None:
    if encoding == "gzip":
        content = gzip.compress(content)
    elif encoding != "utf-8":
        content = content.decode().encode(encoding)
    assert values(file, content) == ROWS


def test_parquet_holds_the_same_rows(file: Path) -> None:
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    assert [row.value for row in container_of(file).rows()] == ROWS
    assert [row.place for row in container_of(file).rows(after=1)] == [2]
    file.write_bytes(gzip.compress(file.read_bytes()))
    assert [row.value for row in container_of(file).rows()] == ROWS


def test_what_parquet_has_beside_json_is_read_as_json_would_have_it(file: Path) -> None:
    columns = {"prompt": [b"Why?"], "margin": [float("nan")], "given": [[float("inf")]]}
    parquet.write_table(pyarrow.table(columns), file)
    [row] = container_of(file).rows()
    assert row.value == {"prompt": "Why?", "margin": None, "given": [None]}


def test_lines_of_text_are_rows_and_empty_ones_are_none(file: Path) -> None:
    found = rows(file, b"Why is it so?\n\nAnd, who says that?\r\n")
    assert [(row.place, row.value) for row in found] == [
        (1, "Why is it so?"),
        (3, "And, who says that?"),
    ]


def test_a_list_of_texts_is_a_list_of_rows(file: Path) -> None:
    assert values(file, b'["Why?", "Who?"]') == ["Why?", "Who?"]
    assert values(file, b'{"prompts": ["Why?", "Who?"]}') == ["Why?", "Who?"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"prompt": "a", "prompt": "b"}', "same key twice"),
        ('{"prompt": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper"),
        ('{"prompt": ' + "9" * 5000 + "}", "number of more than"),
        ('{"prompt": 1e999}', "not finite"),
        ('{"prompt": NaN}', "not finite"),
        ('{"prompt": "\\u0000"}', "null character"),
        ('{"prompt": "\\ud83d"}', "half a character"),
        ('{"prompt": "' + "a" * (MOST_CHARACTERS * 10) + '"}', "more than 1000000 characters"),
        ('{"prompt": "a"', "no JSON"),
    ],
    ids=["twice", "deep", "digits", "infinite", "NaN", "null", "half", "10 MB", "cut"],
)
@pytest.mark.parametrize("form", ["lines", "array"])
def test_what_is_wrong_with_one_row_is_said_of_that_row(
    file: Path, row: str, said: str, form: str
) -> None:
    if form == "array" and said == "no JSON":
        return  # there it is the array that does not end
    parts = ('{"prompt": "a"}', row, '{"prompt": "b"}')
    text = "\n".join(parts) if form == "lines" else f"[{','.join(parts)}]"
    first, bad, last = rows(file, text.encode())
    assert (first.value, last.value) == ({"prompt": "a"}, {"prompt": "b"})
    assert bad.place == 2
    assert said in str(bad.problem)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"a\x00b", "null bytes"),
        ("这是中文，没有别的。\n".encode("gb18030") * 5, "GB18030"),
        ("façade".encode("latin-1"), "Windows-1252"),
        (b"PK\x03\x04...", "zip archive"),
        (b"PK\x03\x04...xl/workbook.xml", "Excel"),
        (b"\x28\xb5\x2f\xfd...", "packed with zstd"),
        (b"ARROW1\0\0", "Arrow"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS"),
        (b"\n<!doctype html><html>", "web page"),
        ("Why?".encode("utf-32"), "null bytes"),
        (b"PAR1" + b"\0" * 50, "Parquet file cannot be read"),
        (gzip.compress(LINES.encode())[:-12], "damaged"),
        (gzip.compress(gzip.compress(b"a")), "packed twice"),
        (b'[{"prompt": "a"}', "ends too early"),
        (b'[{"prompt": "a"}] and more', "something follows"),
        (b"prompt,prompt\na,b\n", "Two columns"),
        (b'prompt,answer\na,b\nc,"' + b"d" * (MOST_CHARACTERS + 9), "From row 3 on"),
    ],
    ids=[
        *("empty", "blank", "null", "GB18030", "Latin", "zip", "Excel", "zstd", "Arrow", "pointer"),
        *("page", "UTF-32", "Parquet", "cut", "twice", "open", "more", "names", "quote"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_sentence(
    file: Path, content: bytes, said: str
) -> None:
    assert said in problem(file, content)


def test_a_gzip_bomb_is_not_unpacked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SMALLEST_BOUND", 1 << 20)
    assert "unpacks to more than" in problem(file, gzip.compress(b"a\n" * (1 << 22)))


def test_bytes_that_are_not_utf_8_further_on_are_named_by_row(file: Path) -> None:
    content = b"fine\n" * 100_000 + b"\xff\xfe bad\n" + b"fine\n"
    bad = [row for row in rows(file, content) if row.problem]
    assert [(row.place, "not UTF-8" in str(row.problem)) for row in bad] == [(100_001, True)]


@pytest.mark.parametrize(
    "content", [LINES * 3, json.dumps(ROWS * 3), "prompt,lang\n" + "a,b\n" * 6]
)
def test_reading_goes_on_behind_any_row(file: Path, content: str) -> None:
    everything = rows(file, content.encode())
    for number, row in enumerate(everything, start=1):
        assert rows(file, content.encode(), after=row.place) == everything[number:]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
@example(b'{"a": 1}\n[')
@example(b"[[")
@example(b"\x1f\x8b")
@example(b"\xff\xfe\xff")
@example(b"PAR1")
@example(b'"\n')
@example(b"prompt\n\x00")
def test_any_bytes_give_rows_or_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any"
    file.write_bytes(content)
    places, said = [], "."
    try:
        found = look_at(file)
        for row in found.container.rows():
            places.append(row.place)
            if found.is_readable:
                check_what_is_said_of(found, row)
    except Unreadable as problem:
        said = str(problem)
    assert said.endswith(".")
    assert places == sorted({*places} - {0})


NAMES = (
    "prompt chosen rejected messages role content conversations from "
    "value label completion instruction input output answers rankings "
    "ranks labeler responses fields data annotations result value "
    "ranker selected completions response annotations items rank model "
    "winner text summaries info choice history labels context "
    "replies message_tree_id rank_order "
)
FIELD = st.sampled_from(NAMES.split())
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD, inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.dictionaries(FIELD, json_values, min_size=1, max_size=6), min_size=1, max_size=3)
)
def test_any_objects_give_items_or_a_sentence(tmp_path: Path, objects: list[Any]) -> None:
    file = tmp_path / "any"
    file.write_text("".join(f"{json.dumps(each)}\n" for each in objects))
    try:
        found = look_at(file)
    except Unreadable:
        return
    named = replace(found, shape=None, mapping=guessed(found.columns))
    for row in found.container.rows():
        if found.is_readable:
            check_what_is_said_of(found, row)
        if named.mapping is not None and named.columns:
            with suppress(Unreadable):
                named.mapping.check()
                check_what_is_said_of(named, row)


def test_an_object_without_a_field_is_a_row_with_nothing_in_it(tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_text('{"data": [{}]}')
    found = look_at(file)
    [row] = found.container.rows()
    with pytest.raises(Unreadable, match="nothing in it"):
        list(found.items(row))


def check_what_is_said_of(found: Any, row: Row) -> None:
    """Items that say something and can be kept as they are, or a sentence."""
    items, said = [], ""
    try:
        items = list(found.items(row))
    except Unreadable as problem:
        said = str(problem)
    assert items or said
    for item in items:
        assert item.messages or item.text
        assert item_of(json.loads(json.dumps(item.as_json()))) == item
