"""What was read of a file, in a SQLite file beside it: looked through, and then added from there.

So memory stays small however long the file is, and whoever goes on after a worker died finds how
far it came. First all rows become items, then the items of each prompt become groups.
"""

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from annotation.exchange.jsonl import canonical
from annotation.exchange.reading.container import Row
from annotation.exchange.reading.folding import Group, Said, fold, group_of
from annotation.exchange.reading.reading import Found
from annotation.exchange.shapes.item import Item, item_of
from annotation.exchange.shapes.shape import JUDGED, UNJUDGED
from annotation.exchange.split import prompt_key
from annotation.exchange.wording import Unreadable

BATCH = 2000
LARGEST_BATCH = 4_000_000  # characters
MOST_NAMES = 200  # of columns and labelers that are listed
COUNTED_NAMES = 5000  # of columns

_TABLES = """
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE item (id INTEGER PRIMARY KEY, key BLOB NOT NULL, place INTEGER NOT NULL,
                   digest BLOB NOT NULL UNIQUE, content TEXT NOT NULL);
CREATE INDEX item_of_key ON item (key, id);
CREATE TABLE problem (id INTEGER PRIMARY KEY, place INTEGER NOT NULL, template TEXT NOT NULL,
                      given TEXT NOT NULL);
CREATE TABLE part (id INTEGER PRIMARY KEY, key TEXT NOT NULL, content TEXT NOT NULL);
CREATE TABLE labeler (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass
class Tally:
    """What was counted on the way; `here`: prompts that the project has already."""

    place: int = 0
    last: int = 0  # the item that was grouped last
    is_read: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> str:
        return json.dumps(self.__dict__)


class Staged:
    """One file's; each method is one transaction."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.tally = self._tally()

    def read(self, rows: Sequence[Row], found: Found) -> None:
        """Takes the rows in: what they say, or what is wrong with them."""
        tally, fields = self.tally, found.fields
        is_judged = bool(JUDGED & set(fields.values()))
        with self.database:
            for row in rows:
                tally.place = row.place
                tally.counts["rows"] += 1
                if isinstance(row.value, dict):
                    _count_dropped(tally.dropped, row.value, fields)
                try:
                    items = list(found.items(row))
                except Unreadable as problem:
                    self._add_problem(row.place, problem)
                    continue
                if is_judged and not any(item.judgments for item in items):
                    tally.notes[UNJUDGED] += any(item.candidates for item in items)
                for item in items:
                    self._add_item(row.place, item)
            self._keep()

    def end_reading(self) -> None:
        self.tally.is_read = True
        with self.database:
            self._keep()

    def group(self, known: Callable[[Sequence[str]], set[str]]) -> bool:
        """Groups the items of some more prompts; False when all are. `known`: which of these keys
        the project has."""
        fresh = "SELECT id, key FROM item WHERE id > ? ORDER BY id LIMIT ?"
        batch = self.database.execute(fresh, (self.tally.last, BATCH)).fetchall()
        if not batch:
            return False
        first = self.tally.last
        keys = list(dict.fromkeys(key for _id, key in batch))
        with self.database:
            here = known([key.hex() for key in keys])
            for key in keys:
                rows = self.database.execute(
                    "SELECT id, place, content FROM item WHERE key = ? ORDER BY id", (key,)
                ).fetchall()
                if rows[0][0] > first:  # else an earlier batch had them all
                    items = [(place, item_of(json.loads(text))) for _id, place, text in rows]
                    self._add_groups(key.hex(), items, key.hex() in here)
            self.tally.last = batch[-1][0]
            self._keep()
        return True

    def groups(self, after: int = 0) -> Iterator[tuple[int, str, Group]]:
        """Each with its number and its prompt's key, in the order of the file."""
        found = self.database.execute("SELECT id, key, content FROM part WHERE id > ?", (after,))
        for number, key, content in found:
            yield number, key, group_of(json.loads(content))

    def count_of_groups(self) -> int:
        return self._number("SELECT COUNT(*) FROM part")

    def problems(self, first: int, most: int) -> list[tuple[int, Unreadable]]:
        """By row."""
        found = self.database.execute(
            "SELECT place, template, given FROM problem ORDER BY place, id LIMIT ? OFFSET ?",
            (most, first),
        )
        return [(at, Unreadable(template, **json.loads(given))) for at, template, given in found]

    def figures(self) -> dict[str, Any]:
        """For the preview."""
        names = self.database.execute("SELECT name FROM labeler LIMIT ?", (MOST_NAMES,))
        counts = dict(self.tally.counts)
        counts["problems"] = self._number("SELECT COUNT(DISTINCT place) FROM problem")
        counts["labelers"] = self._number("SELECT COUNT(*) FROM labeler")
        return {
            "counts": counts,
            "dropped": dict(self.tally.dropped.most_common(MOST_NAMES)),
            "more_dropped": max(len(self.tally.dropped) - MOST_NAMES, 0),
            "notes": dict(self.tally.notes.most_common(MOST_NAMES)),
            "labelers": sorted(name for (name,) in names),
        }

    def _add_item(self, place: int, item: Item) -> None:
        key = _key_of(item)
        content = canonical(item.as_json())
        digest = hashlib.sha256(content.encode()).digest()[:16]
        added = self.database.execute(
            "INSERT OR IGNORE INTO item (key, place, digest, content) VALUES (?, ?, ?, ?)",
            (bytes.fromhex(key), place, digest, content),
        )
        self.tally.counts["duplicates"] += added.rowcount == 0
        self.tally.notes.update(item.notes)

    def _add_groups(self, key: str, items: list[tuple[int, Item]], is_here: bool) -> None:
        groups, problems = fold(items)
        counts = self.tally.counts
        for place, problem in problems:
            self._add_problem(place, problem)
        if groups and groups[0].text is None:
            counts["prompts"] += 1
            counts["here"] += is_here
        for group in groups:
            _count(counts, group)
            names = {(said.labeler,) for said in group.judgments}
            self.database.executemany("INSERT OR IGNORE INTO labeler VALUES (?)", names)
            self.database.execute(
                "INSERT INTO part (key, content) VALUES (?, ?)", (key, canonical(group.as_json()))
            )

    def _add_problem(self, place: int, problem: Unreadable) -> None:
        given = json.dumps(dict(problem.values))
        self.database.execute(
            "INSERT INTO problem (place, template, given) VALUES (?, ?, ?)",
            (place, str(problem.template), given),
        )

    def _tally(self) -> Tally:
        kept = self.database.execute("SELECT value FROM state WHERE name = 'tally'").fetchone()
        value = json.loads(kept[0]) if kept else {}
        counters = {n: Counter(value.get(n, {})) for n in ("counts", "dropped", "notes")}
        last, is_read = value.get("last", 0), value.get("is_read", False)
        return Tally(value.get("place", 0), last, is_read, **counters)

    def _keep(self) -> None:
        self.database.execute(
            "INSERT OR REPLACE INTO state VALUES ('tally', ?)", (self.tally.as_json(),)
        )

    def _number(self, query: str) -> int:
        return cast(int, self.database.execute(query).fetchone()[0])


@contextmanager
def staged_at(path: Path) -> Iterator[Staged]:
    """The one at this path, made when it is not there."""
    with closing(sqlite3.connect(path)) as database:
        # What a power cut leaves of it is read anew.
        database.execute("PRAGMA synchronous = OFF")
        if not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            database.executescript(f"BEGIN;{_TABLES}COMMIT;")
        yield Staged(database)


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Of so many rows, or fewer where they are long."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += row.size
        if len(batch) == BATCH or size > LARGEST_BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def content_key(key: str, group: Group) -> str:
    """The same for the same answers to the same prompt, judged alike; of files old and new."""
    said = [(s.labeler, s.ranks, s.compared, s.mode, s.none_acceptable) for s in group.judgments]
    texts = [candidate.text for candidate in group.candidates]
    return hashlib.sha256(json.dumps([key, texts, said]).encode()).hexdigest()


def _key_of(item: Item) -> str:
    if item.text is not None:
        return hashlib.sha256(item.text.encode()).hexdigest()
    return prompt_key(item.messages)


def _count_dropped(dropped: Counter[str], value: dict[str, Any], fields: dict[str, str]) -> None:
    for name, content in value.items():
        is_empty = content is None or content in ("", [], {})
        if (
            name not in fields
            and not is_empty
            and (name in dropped or len(dropped) < COUNTED_NAMES)
        ):
            dropped[name] += 1


def _count(counts: Counter[str], group: Group) -> None:
    counts["texts"] += group.text is not None
    counts["demonstrations"] += len(group.demonstrations)
    counts["merged"] += group.merged
    if not group.candidates:
        return
    counts["judged" if group.judgments else "to_rank"] += 1
    counts["answers"] += len(group.candidates)
    counts["alone"] += len(group.candidates) == 1
    for said in group.judgments:
        counts["rankings"] += 1
        counts["ties"] += _ties(said)
        counts["partial"] += said.compared is not None
        if said.compared is None and said.mode == "ranking":
            _count_order(counts, said)


def _count_order(counts: Counter[str], said: Said) -> None:
    """Whether it is the order in which the answers were shown, or else listed."""
    shown = said.shown_order or range(len(said.ranks))
    ranks = [said.ranks[place] for place in shown]
    if len(ranks) > 2:
        counts["long"] += 1
        counts["as_shown" if said.shown_order else "as_listed"] += ranks == sorted(set(ranks))
    elif len(set(ranks)) == 2:
        counts["pairs"] += 1
        counts["first_won"] += ranks[0] < ranks[1]


def _ties(said: Said) -> bool:
    count = len(said.ranks)
    pairs = said.compared or [(i, j) for i in range(count) for j in range(i + 1, count)]
    return said.mode == "ranking" and any(said.ranks[i] == said.ranks[j] for i, j in pairs)
