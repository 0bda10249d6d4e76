import json
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from annotation.lm.loading import load_tokenizer
from rewardmodel.learning.core.snapshot_rows import SnapshotError
from rewardmodel.learning.language.text import PIECE_CHARACTERS, is_held_out_by_ends, read_pieces
from rewardmodel.learning.language.tokens import open_tokens, write_tokens
from tests.learning.conftest import Rows

Write = Callable[[Rows], Path]


def texts(source: Path, split: str, percent: int = 20, column: str = "text") -> list[str]:
    return [p.text for p in read_pieces(source, column, percent) if p.split == split]


def test_the_end_of_a_single_file_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("".join(f"line {number}\n" for number in range(20_000)))
    train, heldout = ("".join(texts(path, split, 10)) for split in ("train", "heldout"))
    assert train + heldout == path.read_text()
    assert train.endswith("\n")
    assert 0.05 < len(heldout) / len(train + heldout) <= 0.1


def test_rows_are_documents_held_out_by_their_hash(write_rows: Write) -> None:
    path = write_rows([{"text": f"document {number}"} for number in range(200)])
    train, heldout = texts(path, "train"), texts(path, "heldout")
    assert sorted(train + heldout) == sorted(f"document {number}" for number in range(200))
    assert 20 <= len(heldout) <= 60
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert sorted(texts(path, "heldout")) == sorted(heldout)


def test_each_file_of_a_folder_is_a_document(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_text(f"file {number}")
    (tmp_path / ".hidden").write_text("not this")
    pieces = list(read_pieces(tmp_path, "text", 20))
    assert [piece.text for piece in pieces] == [f"file {number}" for number in range(30)]
    assert all(piece.first for piece in pieces)
    assert {piece.split for piece in pieces} == {"train", "heldout"}


def test_a_few_files_are_held_out_by_their_ends_and_rows_are_not(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("text")
    assert is_held_out_by_ends(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"text": "text"}\n')
    assert not is_held_out_by_ends(tmp_path)


def test_a_long_document_comes_in_pieces(write_rows: Write) -> None:
    pieces = list(read_pieces(write_rows([{"text": "x" * 20_000}]), "text", 0))
    assert [piece.first for piece in pieces] == [True, False, False]
    assert max(len(piece.text) for piece in pieces) <= PIECE_CHARACTERS


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_bytes(b"PAR1")
    with pytest.raises(SnapshotError, match="needs pyarrow"):
        texts(tmp_path / "text.parquet", "train")


@pytest.mark.skipif(find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_a_column_of_parquet_is_read(tmp_path: Path) -> None:
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    path = tmp_path / "text.parquet"
    parquet.write_table(pyarrow.table({"body": ["one", "二", ""], "n": [1, 2, 3]}), path)
    assert texts(path, "train", 0, "body") == ["one", "二"]
    with pytest.raises(SnapshotError, match="no column 'text'; it has body, n"):
        texts(path, "train")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("latin.txt", "é".encode("latin-1"), "latin.txt is not UTF-8"),
        ("rows.jsonl", b'{"text": "a"}\n{"body": "b"}\n', "line 2: 'text' is not a text"),
        ("rows.jsonl", b"{", "line 1: not JSON"),
        ("rows.jsonl", b'"\xe9"', "rows.jsonl is not UTF-8"),
    ],
)
def test_unreadable_text_is_named(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SnapshotError, match=re.escape(sentence)):
        texts(tmp_path / name, "train")


def test_missing_text_is_named() -> None:
    with pytest.raises(SnapshotError, match="There is no text at /nowhere"):
        texts(Path("/nowhere"), "train")


def test_tokens_on_disk_are_the_documents_between_separators(
    tiny: Path, tmp_path: Path, write_rows: Write
) -> None:
    tokenizer = load_tokenizer(str(tiny))
    pieces = read_pieces(write_rows([{"text": "ab"}, {"text": "<|im_end|>"}]), "text", 0)
    write_tokens(pieces, tokenizer, tmp_path / "tokens", {}, lambda done: None)
    files = open_tokens(tmp_path / "tokens")
    encoded = [0, *tokenizer.encode("ab"), 0]
    ids = files["train"].tokens.tolist()
    assert ids[: len(encoded)] == encoded
    assert tokenizer.decode(ids[len(encoded) :]) == "<|im_end|>"
    assert 2 not in ids  # text that looks like the end of a turn is not one
    assert (files["train"].documents, files["train"].bytes) == (2, 12)
    assert len(files["heldout"].tokens) == 0


def test_tokenizing_more_text_takes_no_more_memory(tiny: Path, tmp_path: Path) -> None:
    """All at once, three million tokens would take more than 100 MB of the tokenizer's objects."""
    tokenizer = load_tokenizer(str(tiny))
    grown: list[int] = []
    for number, lines in enumerate((7_000, 70_000)):
        path = tmp_path / f"{number}.txt"
        path.write_text("To be, or not to be, that is the question.\n" * lines)
        sizes = [resident_bytes()]
        write_tokens(
            read_pieces(path, "text", 10),
            tokenizer,
            tmp_path / f"tokens-{number}",
            {},
            lambda done, sizes=sizes: sizes.append(resident_bytes()),  # type: ignore[misc]
        )
        grown.append(max(sizes) - sizes[0])
    assert len(open_tokens(tmp_path / "tokens-1")["train"].tokens) > 2_500_000
    assert grown[1] < 48 << 20


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def test_tokens_are_written_once(tiny: Path, tmp_path: Path, write_rows: Write) -> None:
    tokenizer, folder = load_tokenizer(str(tiny)), tmp_path / "tokens"
    path = write_rows([{"text": "ab"}])
    write_tokens(read_pieces(path, "text", 0), tokenizer, folder, {"a": 1}, lambda done: None)
    write_tokens(iter(()), tokenizer, folder, {"a": 1}, lambda done: None)
    assert len(open_tokens(folder)["train"].tokens) == 3
    write_tokens(iter(()), tokenizer, folder, {"a": 2}, lambda done: None)
    assert json.loads((folder / "meta.json").read_text())["made_from"] == {"a": 2}
    assert len(open_tokens(folder)["train"].tokens) == 0


def test_a_small_file_has_a_held_out_end(tmp_path: Path) -> None:
    path = tmp_path / "small.txt"
    path.write_text("".join(f"line {number}\n" for number in range(300)))
    [train], [heldout] = texts(path, "train"), texts(path, "heldout")
    assert train + heldout == path.read_text()
    assert heldout.startswith("line ")
    assert 0.15 < len(heldout) / len(train + heldout) <= 0.2


def both(path: Path, percent: int = 20) -> tuple[str, str]:
    """What a file gives to train on, and what it holds out."""
    train, heldout = ("".join(texts(path, split, percent)) for split in ("train", "heldout"))
    return train, heldout


def test_lines_that_end_as_on_windows_are_held_out_and_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes(b"a\r\n" * 9000)
    train, heldout = both(path)
    assert train + heldout == "a\n" * 9000
    assert 0.15 < len(heldout) / len(train + heldout) <= 0.2


@pytest.mark.parametrize("length", [10, 1_000, 100_000])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n\n"])
@pytest.mark.parametrize("letter", ["a", "é", "教", "🥚"])
def test_one_long_line_has_a_held_out_end(
    letter: str, ending: str, length: int, tmp_path: Path
) -> None:
    path = tmp_path / "line.txt"
    path.write_bytes((letter * length + ending).encode())
    train, heldout = both(path)
    assert train + heldout == letter * length + ending.replace("\r\n", "\n")
    assert heldout.count(letter) == pytest.approx(0.2 * length, abs=4)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_longer_than_the_held_out_share_is_cut(end: str, tmp_path: Path) -> None:
    path = tmp_path / "last.txt"
    path.write_bytes((f"a line{end}" * 5_000 + "教" * 30_000 + end).encode())
    train, heldout = both(path)
    assert train + heldout == "a line\n" * 5_000 + "教" * 30_000 + "\n"
    assert set(heldout) == {"教", "\n"}
    assert len(heldout.encode()) / path.stat().st_size == pytest.approx(0.2, abs=0.001)


def test_lines_of_chinese_are_held_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("床前明月光，疑是地上霜。\n" * 3_000, encoding="utf-8")
    train, heldout = both(path)
    assert train + heldout == path.read_text(encoding="utf-8")
    assert heldout.startswith("床")
    assert len(heldout) / len(train) == pytest.approx(0.25, abs=0.001)


def test_a_line_with_text_behind_the_limit_begins_what_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "two.txt"
    path.write_text("a" * 95 + "\nend\n")
    assert both(path) == ("a" * 95 + "\n", "end\n")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("length", [*range(6, 40), *range(8_180, 8_200), *range(16_380, 16_390)])
def test_wherever_a_file_is_cut_nothing_is_lost_doubled_or_broken(
    length: int, end: str, tmp_path: Path
) -> None:
    path, line = tmp_path / "any.txt", "é" * length
    for text in (line + end, f"{line}{end}" * 3, line + end + "b", f"b{end}{line}{end}{end}"):
        path.write_bytes(text.encode())
        for percent in (5, 20, 50):
            train, heldout = both(path, percent)
            assert train + heldout == text.replace("\r\n", "\n")
            assert heldout


def test_without_a_held_out_share_all_of_a_file_is_to_train_on(tmp_path: Path) -> None:
    path = tmp_path / "all.txt"
    path.write_text("a" * 20_000 + "\n")
    assert both(path, 0) == ("a" * 20_000 + "\n", "")
