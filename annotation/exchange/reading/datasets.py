"""Folders of data sets: which of their files hold rows, and what LLaMA-Factory's dataset_info.json
says their columns are called."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotation.exchange.files import visible_files
from annotation.exchange.reading.container import container_of
from annotation.exchange.untrusted_json import parse_json
from annotation.exchange.wording import Unreadable, gettext_noop

INFO = "dataset_info.json"
DESCRIBING = {
    *(INFO, "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"),
    *("readme.txt", "license.txt", "requirements.txt"),
}
_NAMES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
ENDINGS = (*_NAMES, *(f"{name}.gz" for name in _NAMES), ".parquet")
ALPACA = {"prompt": "instruction", "query": "input", "response": "output", "kto_tag": "label"}
SHAREGPT = {"messages": "conversations", "kto_tag": "label"}
"""What LLaMA-Factory calls a column, and the name that it has where nobody says another."""
TAGS = {"user_tag": "human", "assistant_tag": "gpt", "system_tag": "system"}

NO_FILES = gettext_noop("There is no file of rows in it: JSON Lines, JSON, CSV, Parquet or text.")
ARROW = gettext_noop(
    "The folder holds Arrow files, as save_to_disk writes them: write Parquet instead, "
    "with to_parquet."
)
NOT_INFO = gettext_noop("dataset_info.json is no object with an entry for each data set.")
NOT_HERE = gettext_noop("dataset_info.json names no file that is in the folder.")


@dataclass(frozen=True)
class Part:
    """A file of rows. `columns`: the usual name of each column that has another one; `tags`: what a
    message's fields and roles are called, as dataset_info.json spells it."""

    file: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """The file as it is; or its rows with the usual names. Raises Unreadable, OSError."""
        if not self.columns and not self.tags:
            with self.file.open("rb") as source:
                while chunk := source.read(1 << 20):
                    yield chunk
            return
        for row in container_of(self.file).rows():
            if row.problem:
                values = {**row.problem.values, "line": row.place}
                raise Unreadable(row.problem.template, **values)
            yield f"{json.dumps(self._usual(row.value), ensure_ascii=False)}\n".encode()

    def _usual(self, row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        taken = {name for own, name in self.columns.items() if own in row}
        named = {
            self.columns.get(name, name): value
            for name, value in row.items()
            if name in self.columns or name not in taken
        }
        turns = named.keys() & {"conversations", "chosen", "rejected"}
        return named | {name: self._messages(named[name]) for name in turns}

    def _messages(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._messages(each) for each in value]
        role, content = self.tags.get("role_tag", "from"), self.tags.get("content_tag", "value")
        if not isinstance(value, dict) or role not in value or content not in value:
            return value
        roles = {self.tags.get(tag, usual): usual for tag, usual in TAGS.items()}
        said = value[role]
        return {
            "from": roles.get(said, said) if isinstance(said, str) else said,
            "value": value[content],
        }


def parts_of(source: Path) -> list[Part]:
    """Of a folder, or of a file, perhaps with a dataset_info.json beside it. Raises Unreadable."""
    folder = source if source.is_dir() else source.parent
    described = _described(folder) if (folder / INFO).is_file() else []
    if not source.is_dir():
        same = [part for part in described if part.file.resolve() == source.resolve()]
        return same[:1] or [Part(source)]
    if described:
        return described
    files = visible_files(source)
    rows = [each for each in files if each.name.endswith(ENDINGS)]
    found = [each for each in rows if each.name.lower() not in DESCRIBING]
    if not found:
        is_arrow = any(each.suffix == ".arrow" for each in files)
        raise Unreadable(ARROW if is_arrow else NO_FILES)
    return [Part(each) for each in found]


def _described(folder: Path) -> list[Part]:
    """What dataset_info.json names, if it is LLaMA-Factory's: Hugging Face has one, too."""
    try:
        info = parse_json((folder / INFO).read_text(encoding="utf-8"))
    except ValueError as problem:
        raise Unreadable(NOT_INFO) from problem
    if not isinstance(info, dict):
        raise Unreadable(NOT_INFO)
    entries = [each for each in info.values() if isinstance(each, dict) and "file_name" in each]
    here = [each for each in entries if _within(folder, each["file_name"])]
    if entries and not here:
        raise Unreadable(NOT_HERE)
    return [_part(folder, each) for each in here]


def _within(folder: Path, name: Any) -> bool:
    file = folder / str(name)
    try:
        return file.is_file() and file.resolve().is_relative_to(folder.resolve())
    except OSError:  # a name too long for any file
        return False


def _part(folder: Path, entry: Mapping[str, Any]) -> Part:
    usual = SHAREGPT if entry.get("formatting") == "sharegpt" else ALPACA
    columns = _texts(entry.get("columns"))
    renamed = {own: usual.get(meaning, meaning) for meaning, own in columns.items()}
    changed = {own: name for own, name in renamed.items() if own != name}
    return Part(folder / str(entry["file_name"]), changed, _texts(entry.get("tags")))


def _texts(value: Any) -> dict[str, str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in pairs if isinstance(text, str)}
