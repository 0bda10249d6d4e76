"""Harm done to Laoshi while people rank: `python bench/faults.py [--short] [--database postgres]`.

Starts what `make up` starts, with a tiny model, in a folder of its own, and lets N labelers rank
over HTTP: each sends a submit again, with the same key, until it is answered. Meanwhile one fault
follows another, in a random order at random moments. Prints for each, in the order of the table:

- how long the harm lasted, and what an operator had to start again (everything else comes back by
  itself);
- how many rankings labelers were told are stored, from this fault to the next, and how many of
  those are stored whole and once, lost (not stored, or not as they were said) or doubled (the
  labeler has another ranking of that group, the group has more than its overlap, or the labeler
  was told that it was refused);
- how many submits were refused with a sentence;
- the longest time without an acknowledged submit by anybody, and the seconds from the harm's end
  until all is well: a submit sent since is acknowledged, every process is there and says so, and a
  group that was asked for since has answers.

Exits with 1 where anything was lost or doubled, or did not get well. With `--json` the last line
is one object. The long form fills a disk and cuts its power where it may mount one (Linux, root),
steps a clock where there is a C compiler, and with `--database postgres` stops a PostgreSQL that
it makes from the system's programs.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.desk_data import settings_for
from bench.disk import Disk, NoDisk
from bench.fault_installation import SLUG, Installation, add_people_and_prompts
from bench.fault_kinds import Fault, faults_of
from bench.fault_labelers import Crew, Told, at_work
from bench.fault_services import Clock, Cluster, NotHere
from config.install import interrupt_on_terminate
from tests.launcher.launching import free_port

DISK_MEGABYTES = 2_000
WELL_WITHIN = 180.0  # seconds
PASSWORD = "one of many labelers"  # noqa: S105 (of an installation that lives for minutes)
CALM = "none"


@dataclass
class Episode:
    """A fault and what came after it, in seconds of the steady clock."""

    fault: str
    began: float
    ended: float = 0.0
    well_at: float | None = None
    started: list[str] = field(default_factory=list)  # by the operator


@dataclass
class Row:
    """What the table says of an episode; None: it did not get well."""

    fault: str
    lasted: float = 0.0
    started: str = ""
    acknowledged: int = 0
    once: int = 0
    lost: int = 0
    doubled: int = 0
    refused: int = 0
    pause: float = 0.0
    well_after: float | None = None


@dataclass(frozen=True)
class Plan:
    labelers: int
    overlap: int
    seconds: float
    outage: float
    calm: tuple[float, float]
    seed: int
    is_short: bool


def campaign(installation: Installation, crew: Crew, plan: Plan) -> list[Episode]:
    """Every fault once, then again in another order, until the time is over or all is not well."""
    began = time.monotonic()
    chance = random.Random(plan.seed)
    faults = faults_of(installation, is_short=plan.is_short)
    episodes = [episode(installation, crew, Fault(CALM, lambda *_: None), plan.outage)]
    coming: list[Fault] = []
    while episodes[-1].well_at is not None:
        is_once = len(episodes) <= len(faults)
        if not is_once and time.monotonic() - began > plan.seconds:
            break
        coming = coming or chance.sample(faults, len(faults))
        time.sleep(chance.uniform(*plan.calm))
        episodes.append(episode(installation, crew, coming.pop(), plan.outage))
    return episodes


def episode(installation: Installation, crew: Crew, fault: Fault, outage: float) -> Episode:
    """Does the harm, starts what an operator would start, waits until all is well."""
    this = Episode(fault.name, time.monotonic())
    fault.harm(installation, outage)
    this.ended = time.monotonic()
    this.started = installation.bring_up()
    last = None
    while this.well_at is None and time.monotonic() < this.ended + WELL_WITHIN:
        time.sleep(0.5)
        if last is None:
            last = installation.newest_group(answered=False)
        elif (
            crew.was_acknowledged(this.ended)
            and (installation.newest_group(answered=True) or 0) > last
            and installation.parts_are_well()
        ):
            this.well_at = time.monotonic()
    after = "NOT WELL" if this.well_at is None else f"well after {this.well_at - this.ended:.1f} s"
    print(f"{fault.name}: {after}", file=sys.stderr, flush=True)
    return this


class Stored:
    """The rankings in the database, to be compared with what labelers were told."""

    def __init__(self, overlap: int) -> None:
        from django.db.models import Count

        from annotation.models import Ranking

        rankings = list(
            Ranking.objects.filter(group__project__slug=SLUG)
            .select_related("labeler")
            .annotate(triple_count=Count("triples"))
        )
        self._overlap = overlap
        self._under = {str(ranking.idempotency_key): ranking for ranking in rankings}
        self._by_labeler = Counter((one.group_id, one.labeler_id) for one in rankings)
        self._of_group = Counter(one.group_id for one in rankings if one.is_current)

    def fate(self, told: Told) -> str:
        """The column that counts this submit."""
        ranking = self._under.get(told.token)
        if not told.is_stored:
            return "refused" if ranking is None else "doubled"
        if (
            ranking is None
            or ranking.labeler.username != told.labeler
            or tuple(ranking.ranks[position] for position in ranking.shown_order) != told.ranks
            or ranking.triple_count != len(told.ranks)
        ):
            return "lost"
        rivals = self._by_labeler[ranking.group_id, ranking.labeler_id]
        is_single = rivals == 1 and self._of_group[ranking.group_id] <= self._overlap
        return "once" if is_single else "doubled"


def rows_of(episodes: list[Episode], told: list[Told], stored: Stored) -> list[Row]:
    ends = [*(one.began for one in episodes[1:]), float("inf")]
    rows = []
    for this, end in zip(episodes, ends, strict=True):
        here = [one for one in told if this.began <= one.told_at < end]
        fates = Counter(stored.fate(one) for one in here)
        well = this.well_at
        times = [one.told_at for one in here if one.is_stored and (not well or one.told_at < well)]
        pauses = [after - before for before, after in pairwise([this.began, *sorted(times)])]
        rows.append(
            Row(
                fault=this.fault,
                lasted=round(this.ended - this.began, 1),
                started=", ".join(this.started),
                acknowledged=sum(one.is_stored for one in here),
                once=fates["once"],
                lost=fates["lost"],
                doubled=fates["doubled"],
                refused=fates["refused"],
                pause=round(max(pauses, default=0.0), 1),
                well_after=round(well - this.ended, 1) if well else None,
            )
        )
    return rows


def total_of(rows: list[Row]) -> Row:
    """Sums, and of the times the longest."""
    afters = [row.well_after for row in rows if row.well_after is not None]
    total = Row("all", pause=max(row.pause for row in rows))
    total.lasted = round(sum(row.lasted for row in rows), 1)
    total.well_after = max(afters) if len(afters) == len(rows) else None
    for row in rows:
        total.acknowledged += row.acknowledged
        total.once += row.once
        total.lost += row.lost
        total.doubled += row.doubled
        total.refused += row.refused
    return total


def print_table(rows: list[Row]) -> None:
    print(
        "| fault | lasted, s | started by hand | acknowledged | once | lost | doubled | refused "
        "| longest pause, s | well after, s |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for row in rows:
        cells = ["" if cell is None else str(cell) for cell in asdict(row).values()]
        print(f"| {' | '.join(cells)} |")


def installed(stack: ExitStack, folder: Path, plan: Plan, database: str) -> Installation:
    """Its disk, its clock and its PostgreSQL are there; nothing of Laoshi runs yet."""
    from tests.tiny import build_tiny_model

    (folder / "model").mkdir()
    model = build_tiny_model(folder / "model")
    root, disk, clock = folder, None, None
    if not plan.is_short:
        try:
            disk = stack.enter_context(Disk(folder, DISK_MEGABYTES))
            root = disk.root
            clock = Clock(folder)
        except (NoDisk, NotHere) as why:
            print(f"Not done here: {why}", file=sys.stderr)
    cluster = None
    if database == "postgres":
        cluster = stack.enter_context(Cluster(root / "postgres", folder / "postgres.log"))
    return Installation(root / "var", model, free_port(), disk, cluster, clock)


def run(plan: Plan, database: str) -> tuple[list[Row], int]:
    """The rows, and how many labelers never had an answer to their last submit."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laoshi-faults-")))
        folder.chmod(0o711)  # PostgreSQL's user may go through
        installation = installed(stack, folder, plan, database)
        settings_for(installation.database, installation.var)
        import django

        django.setup()
        from django.db import connection

        stack.callback(installation.stop)
        installation.bring_up()
        names = add_people_and_prompts(plan.labelers, plan.overlap, PASSWORD, installation.model)
        with at_work(names, PASSWORD, installation.port, plan.seed) as crew:
            episodes = campaign(installation, crew, plan)
        rows = rows_of(episodes, crew.told, Stored(plan.overlap))
        connection.close()
        return [*rows, total_of(rows)], crew.unfinished


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="4 labelers, 4 faults: for CI")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seconds", type=float, default=0, help="repeat the faults so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    interrupt_on_terminate()
    labelers, overlap, outage, calm = 20, 10, 15.0, (2.0, 6.0)
    if wanted.short:
        labelers, overlap, outage, calm = 4, 2, 4.0, (0.2, 1.0)
    plan = Plan(labelers, overlap, wanted.seconds, outage, calm, wanted.seed, wanted.short)
    rows, unfinished = run(plan, wanted.database)
    print_table(rows)
    if unfinished:
        print(f"{unfinished} labelers never had an answer.")
    if wanted.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "unfinished": unfinished}))
    total = rows[-1]
    is_fine = not (total.lost or total.doubled or unfinished) and total.well_after is not None
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
