"""Snapshots from elsewhere: a file of rows becomes one when the reader of training takes it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from json import JSONDecodeError
from typing import Any

from django.utils.translation import gettext_noop

from annotation.exchange.content_addressed import rows_aside
from annotation.exchange.prompts import unreadable_line
from annotation.exchange.split import prompt_key, split_of
from annotation.exchange.untrusted_json import StrictDecoder, parse_json
from annotation.models import Project, Snapshot
from annotation.selectors.snapshots import card_of
from annotation.services.snapshots import SnapshotRefused, folder_of, keep_rows
from rewardmodel.learning.core.snapshot import sort_demonstrations, sort_groups, sort_prompts
from rewardmodel.learning.core.snapshot_rows import SnapshotError

Kind = Snapshot.Kind
Row = dict[str, Any]
BATCH = 500
NOTHING = gettext_noop("There is no row in it that can be learned from: see docs/formats.md.")
NOT_UTF8 = gettext_noop("{where} is not UTF-8 text: convert the file.")
NO_OBJECT = gettext_noop("{where} is no JSON object: a snapshot has one a line.")
REASONS = gettext_noop("{where}: 'finish_reasons' must be a list of texts.")
SOURCES = gettext_noop("{where}: 'sources' must be a list of objects.")
OF_ALL = {"id", "lang", "split"}
KEYS = {
    Kind.PROMPTS: OF_ALL | {"prompt"},
    Kind.DEMONSTRATIONS: OF_ALL | {"messages"},
    Kind.GROUPS: OF_ALL
    | {"schema", "prompt_id", "tags", "prompt", "system_prompt", "answers", "finish_reasons"}
    | {"sources"}
    | {"picked", "seed", "answered_at", "rankings", "skips", "reports"},
}
"""What docs/formats.md says of a row of each kind: the rest of it is not kept."""


@dataclass(frozen=True)
class Origin:
    """Where a file is from, as whoever brings it says."""

    source: str
    licence: str
    has_consent: bool


def import_snapshot(project: Project, lines: Iterable[bytes], origin: Origin) -> Snapshot:
    """The rows of a JSON Lines file as a snapshot, with a card, but without a name yet.

    What the file, the project or the hash of the prompt holds out is held out. Raises
    SnapshotRefused, SnapshotError.
    """
    reading = Reading(project)
    with rows_aside(folder_of(project)) as file:
        file.write(reading.rows(lines))
        snapshot = Snapshot(project=project, kind=reading.kind, is_imported=True)
        snapshot.rankings = reading.rankings
        keep_rows(snapshot, file)
    snapshot.card = {**card_of(snapshot), "sources": [{**asdict(origin), "rows": snapshot.rows}]}
    return snapshot


class Reading:
    """Lines become rows of one kind, each checked as training will."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.kind = Kind.GROUPS
        self.rankings = 0
        self.usable = 0

    def rows(self, lines: Iterable[bytes]) -> Iterator[Row]:
        """Raises SnapshotError, SnapshotRefused."""
        numbered = self._parsed(lines)
        while batch := list(islice(numbered, BATCH)):
            known = self._known_splits(row for _where, row in batch)
            for where, row in batch:
                yield self._checked(where, row, known)
        if not self.usable:
            raise SnapshotRefused(NOTHING)

    def _parsed(self, lines: Iterable[bytes]) -> Iterator[tuple[str, Row]]:
        is_first = True
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = str(number)
            try:
                row = parse_json(
                    line.decode("utf-8-sig" if number == 1 else "utf-8"), StrictDecoder
                )
            except UnicodeDecodeError as problem:
                raise SnapshotRefused(NOT_UTF8, where=where) from problem
            except JSONDecodeError as problem:
                raise unreadable_line(number, problem) from problem
            if not isinstance(row, dict):
                raise SnapshotRefused(NO_OBJECT, where=where)
            if is_first:
                self.kind, is_first = kind_of(row), False
            yield where, {key: row[key] for key in row.keys() & KEYS[self.kind]}

    def _checked(self, where: str, row: Row, known: dict[str, str]) -> Row:
        """With the split that holds here. Raises SnapshotError."""
        percent, one = self.project.heldout_percent, [(where, {**row})]
        if self.kind == Kind.GROUPS:
            check_optional_lists(where, row)
            groups = sort_groups(one, where, percent)
            found = [*groups.train, *groups.heldout]
            self.usable += len(found)
            self.rankings += len({r.labeler for group in found for r in group.rankings})
        elif self.kind == Kind.DEMONSTRATIONS:
            shown = sort_demonstrations(one, percent)
            self.usable += len(shown.train) + len(shown.heldout)
        else:
            self.usable += sum(map(len, sort_prompts(one, percent)))
        keys = keys_of(row)
        said = {known[key] for key in keys if key in known}
        said = said or {str(row.get("split")), *(split_of(key, percent) for key in keys)}
        return {**row, "split": "heldout" if "heldout" in said else "train"}

    def _known_splits(self, rows: Iterable[Row]) -> dict[str, str]:
        """Of the prompts that the project has, by key."""
        keys = {key for row in rows for key in keys_of(row)}
        return dict(self.project.prompts.filter(key__in=keys).values_list("key", "split"))


def kind_of(row: Row) -> Snapshot.Kind:
    if "answers" in row:
        return Kind.GROUPS
    return Kind.DEMONSTRATIONS if "messages" in row else Kind.PROMPTS


def check_optional_lists(where: str, row: Row) -> None:
    """Those that training does not read, but the data card does. Raises SnapshotError."""
    for key, kind, sentence in (("finish_reasons", str, REASONS), ("sources", dict, SOURCES)):
        value = row.get(key)
        is_list = isinstance(value, list) and all(isinstance(each, kind) for each in value)
        if value is not None and not is_list:
            raise SnapshotError(sentence, where=where)


def keys_of(row: Row) -> list[str]:
    """Of its prompt without the system prompt, by which the project knows it, and as it stands."""
    messages = row.get("messages")
    prompt = messages[:-1] if isinstance(messages, list) else row.get("prompt")
    try:
        asked = [message for message in prompt or [] if message["role"] != "system"]
        return [prompt_key(asked), prompt_key(prompt or [])]
    except (KeyError, TypeError):  # which the reader refuses, with its place
        return []
