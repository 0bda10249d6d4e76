"""How fast triples are taken out: `python bench/export.py [--triples N ...]`.

In a database of its own, on DATABASE_URL or SQLite: groups of four answers, each ranked once, their
triples as JSON Lines and CSV, rows a second and the memory that it takes beyond that of a process
that wrote ten. Beside it, on PostgreSQL, what copying the same columns out costs (`COPY`), the
limit. Every measurement runs in a process of its own. Beside the rows a second stand the
microseconds of processor time that a row takes here, and in PostgreSQL's process, if it is on this
machine: the two work at the same time, and what else a machine does changes them little.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.comparison import ROOT, machine
from bench.desk_data import ANSWERS, SLUG, bench_database, settings_for

MIB = 1024 * 1024
FORMATS = ("triples", "triples_csv", "trl_preference")
PARTS = ("columns", "rows")
"""What a triple takes on its way, for `--formats`: its columns as PostgreSQL sends them; a row."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--triples", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--one", help="(a measurement, in a process of its own)")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(json.loads(options.one))))
        return
    print(f"# {machine()}")
    with tempfile.TemporaryDirectory() as folder:
        database = bench_database(Path(folder))
        for count in options.triples:
            run({"do": "fill", "database": database, "folder": folder, "triples": count})
            for made_as in [*options.formats, "copy"]:
                task = {"do": made_as, "database": database, "folder": folder}
                found = run(task)
                if found:
                    print(
                        f"{count:>9} {made_as:<16} {found['rows']:>9} rows "
                        f"{found['rows'] / found['seconds']:>9.0f} rows/s "
                        f"{found['cpu'] / found['rows'] * 1e6:>6.1f} us here "
                        f"{found['database'] / found['rows'] * 1e6:>6.1f} us in PostgreSQL "
                        f"{max(0, found['bytes']) / MIB:>6.1f} MiB above idle",
                        flush=True,
                    )


def run(task: dict[str, object]) -> dict[str, float]:
    command = [sys.executable, str(ROOT / "bench" / "export.py"), "--one", json.dumps(task)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    read: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return read


def measured(task: dict[str, str]) -> dict[str, float]:
    import psutil

    settings_for(task["database"], Path(task["folder"]))
    import django

    django.setup()
    if task["do"] == "fill":
        fill(int(task["triples"]))
        return {}
    if task["do"] == "copy":
        return copied()
    if task["do"] in PARTS:
        return timed(lambda: part(task["do"]))
    write(task["do"], 10)
    idle = psutil.Process().memory_info().rss
    found = timed(lambda: write(task["do"], None))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**found, "bytes": peak - idle}


def timed(work: Callable[[], int]) -> dict[str, float]:
    """How many rows there were, and the seconds of the clock and of both processors."""
    began, spent, there = time.perf_counter(), time.process_time(), database_time()
    rows = work()
    return {
        "rows": rows,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - spent,
        "database": database_time() - there,
        "bytes": 0,
    }


def database_time() -> float:
    """Processor seconds of the connection's process; 0 where there is none on this machine."""
    import psutil
    from django.db import connection

    connection.ensure_connection()
    if connection.vendor != "postgresql":
        return 0.0
    try:
        used = psutil.Process(connection.connection.info.backend_pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(used.user + used.system)


def write(made_as: str, most: int | None) -> int:
    """Rows written to a file, as the worker and the command do."""
    import uuid
    from itertools import islice

    from annotation.exchange.writing import formats
    from annotation.exchange.writing.wanted import Wanted
    from annotation.models import Project
    from annotation.selectors.exports import rows_to_export
    from annotation.services.exports import Tally
    from annotation.services.snapshots import at_one_moment

    project, form = Project.objects.get(slug=SLUG), formats.FORMATS[made_as]
    with at_one_moment(), tempfile.TemporaryFile() as file:
        whole = most is None
        total, found = rows_to_export(project, form.source, Wanted(), uuid.uuid4(), whole=whole)
        tally = Tally(total)
        form.container.write(tally.made(islice(found, most), form), file)
    return tally.rows


def part(name: str) -> int:
    """Triples read that far, and no further."""
    from annotation.models import Project
    from annotation.selectors.triples import COLUMNS, triple_rows, triples, with_columns
    from annotation.selectors.whole import rows_of
    from annotation.services.snapshots import at_one_moment

    found = triples(Project.objects.get(slug=SLUG)).order_by("id")
    with at_one_moment():
        is_rows = name == "rows"
        read = triple_rows(found, whole=True) if is_rows else rows_of(with_columns(found), COLUMNS)
        return sum(1 for _row in read)


def copied() -> dict[str, float]:
    from django.db import connection

    from annotation.models import Project
    from annotation.selectors.triples import COLUMNS, triples, with_columns

    if connection.vendor != "postgresql":
        return {}
    found = triples(Project.objects.get(slug=SLUG)).order_by("id")
    chosen = with_columns(found).values_list(*COLUMNS)
    sql, values = chosen.query.sql_with_params()

    def copy_out() -> int:
        rows = 0
        with (
            connection.cursor() as cursor,
            tempfile.TemporaryFile() as file,
            cursor.copy(f"COPY ({sql}) TO STDOUT", values) as copy,
        ):
            for block in copy:
                file.write(block)
                rows += bytes(block).count(b"\n")
        return rows

    return timed(copy_out)


def fill(count: int) -> None:
    """Ranked groups until there are so many triples."""
    from django.core.management import call_command
    from django.db import transaction

    from annotation.judgment.scores import scores_from_ranks
    from annotation.models import Project, PromptGroup, Ranking, Triple, User
    from annotation.services.projects import create_project
    from bench import desk_data

    call_command("migrate", verbosity=0)
    if not Project.objects.filter(slug=SLUG).exists():
        owner = User.objects.create_user("owner")
        create_project(Project(name="Bench", slug=SLUG, answers_per_group=ANSWERS), owner)
    labeler = User.objects.get(username="owner")
    desk_data.fill(count // ANSWERS)
    project = Project.objects.get(slug=SLUG)
    ranks = [1, 2, 2, 4]
    scores = scores_from_ranks(ranks)
    left = project.groups.filter(rankings=None).order_by("id")
    while groups := list(left.prefetch_related("answers")[:5000]):
        with transaction.atomic():
            rankings = Ranking.objects.bulk_create(
                Ranking(group=group, labeler=labeler, ranks=ranks, shown_order=[0, 1, 2, 3])
                for group in groups
            )
            Triple.objects.bulk_create(
                Triple(project=project, ranking=ranking, answer=answer, rank=rank, score=score)
                for group, ranking in zip(groups, rankings, strict=True)
                for answer, rank, score in zip(group.answers.all(), ranks, scores, strict=True)
            )
    PromptGroup.objects.filter(project=project).update(status=PromptGroup.Status.READY)


if __name__ == "__main__":
    main()
