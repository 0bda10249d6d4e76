import os
import subprocess
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import require_writable, write_json
from annotation.exchange.prompts import NewPrompt, UnreadablePrompt, parse_prompts
from annotation.exchange.untrusted_json import parse_json
from annotation.management.files import writing
from annotation.models import Project
from rewardmodel.rehearsal.report import as_markdown, as_report, case_name
from rewardmodel.rehearsal.rounds import Plan, RehearsalStopped, project_of, rehearse
from rewardmodel.rehearsal.teachers import find_teacher
from rewardmodel.services import RunRefused

DETACH = "--detach"
AXES = ("teacher", "rankings", "reward_settings", "policy_settings", "seed")
"""What may be several: each combination is rehearsed, what stands last in turn first."""
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin would starve the worker


class Command(BaseCommand):
    help = (
        "Play whole rounds of the loop with scripted labelers, through the real services and the "
        "running worker, and report what the true teacher thinks of the result: for every "
        "combination of the teachers, numbers of rankings, settings and seeds that are named, one "
        "after the other."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_argument_group("what is rehearsed")
        what.add_argument(
            "--teacher",
            nargs="+",
            required=True,
            help="a name in rewardmodel.rehearsal.teachers, or dotted.path:function",
        )
        what.add_argument("--then", help="the teacher of the second half of the rounds")
        what.add_argument("--seeds", dest="seed", type=int, nargs="+", default=[0])
        what.add_argument("--rounds", type=_count, default=2)
        what.add_argument(
            "--rankings",
            type=_count,
            nargs="+",
            default=[None],
            help="in each round; default: all groups",
        )
        what.add_argument("--prompts", type=Path, required=True, help="JSON Lines or plain text")
        what.add_argument("--take", type=_count, help="use only the first prompts of the file")
        what.add_argument(
            "--report", type=Path, required=True, help="Markdown file; JSON goes beside it"
        )
        what.add_argument(
            DETACH, action="store_true", help="go on in the background; the log lies beside it"
        )
        people = parser.add_argument_group("labelers")
        people.add_argument("--labelers", type=_count, default=1)
        people.add_argument("--overlap", type=_count, default=1, help="rankings of each group")
        people.add_argument("--noise", type=float, default=0.0, help="deviation added to scores")
        people.add_argument(
            "--length-bias",
            type=float,
            default=0.0,
            help="what every second labeler adds to a score for each hundred characters",
        )
        project = parser.add_argument_group("the project")
        project.add_argument("--answers", type=int, default=4, help="K")
        project.add_argument("--drawn", type=int, default=0, help="answers drawn, of which K")
        project.add_argument("--max-new-tokens", type=int, default=Project().max_new_tokens)
        project.add_argument("--system-prompt", default="", help="before every prompt")
        project.add_argument("--heldout-percent", type=int, default=25)
        project.add_argument("--heldout-answers", type=_count, default=8, help="by each policy")
        project.add_argument("--base-model", default="", help="default: POLICY_MODEL")
        for stage in ("reward", "policy"):
            project.add_argument(
                f"--{stage}-settings", type=_settings, nargs="+", default=[{}], help="JSON objects"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        _require_report(options["report"])
        prompts = _read(options["prompts"])[: options["take"]]
        plans = [(case, _plan({**options, **case}, prompts)) for case in cases(options)]
        if options["detach"]:
            self._detach(options["report"])
            return
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}")
            self.stdout.flush()

        rehearsals: list[dict[str, Any]] = []
        for case, plan in plans:
            say(f"{case_name(case)}, seed {case['seed']}.")
            rehearsals.append({**case, **_played(plan, say)})
            _write(options, rehearsals)  # what was played stays if a later one stops
        markdown: Path = options["report"]
        say(f"Report: {markdown} and {markdown.with_suffix('.json')}")

    def _detach(self, report: Path) -> None:
        """The same command in a session of its own."""
        log = report.with_suffix(".log")
        command = [sys.executable, *(part for part in sys.argv if part != DETACH)]
        with log.open("ab") as output:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.stdout.write(f"It goes on as process {started.pid}; follow {log}.")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text}: give a whole number from 1 on")
    return int(text)


def _settings(text: str) -> dict[str, Any]:
    found = parse_json(text)
    if not isinstance(found, dict):
        raise ArgumentTypeError(f"{text}: give a JSON object")
    return found


def _require_report(report: Path) -> None:
    """Raises CommandError unless it and what lies beside it can be written."""
    if report.suffix in (".json", ".log"):
        raise CommandError(f"{report} is to be Markdown: JSON and the log go beside it.")
    with writing(report):
        require_writable(report)
        require_writable(report.with_suffix(".json"))


def cases(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The combinations of what is named, nothing twice."""
    axes = [[v for i, v in enumerate(options[a]) if v not in options[a][:i]] for a in AXES]
    for values in product(*axes):
        yield dict(zip(AXES, values, strict=True))


def _played(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    try:
        return rehearse(plan, say)
    except (RehearsalStopped, RunRefused) as problem:
        raise CommandError(str(problem)) from problem


def _plan(options: dict[str, Any], prompts: list[NewPrompt]) -> Plan:
    """Of one case. Raises CommandError, before anything is played, for what does not fit."""
    try:
        plan = Plan(
            teacher=find_teacher(options["teacher"]),
            then=find_teacher(options["then"]) if options["then"] else None,
            rounds=options["rounds"],
            prompts=prompts,
            labelers=options["labelers"],
            overlap=options["overlap"],
            rankings=options["rankings"],
            noise=options["noise"],
            length_bias=options["length_bias"],
            heldout_answers=options["heldout_answers"],
            seed=options["seed"],
            project=_project(options),
        )
        project_of(plan)
    except (RehearsalStopped, ValueError) as problem:
        raise CommandError(str(problem)) from problem
    return plan


def _project(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "answers_per_group": options["answers"],
        "answers_drawn": options["drawn"],
        "max_new_tokens": options["max_new_tokens"],
        "system_prompt": options["system_prompt"],
        "heldout_percent": options["heldout_percent"],
        "policy_model": options["base_model"],
        "reward_settings": options["reward_settings"],
        "policy_settings": options["policy_settings"],
    }


SAID = ("then", "rounds", "labelers", "overlap", "noise", "length_bias")


def _write(options: dict[str, Any], rehearsals: list[dict[str, Any]]) -> None:
    settings = {
        **{name.replace("_", " "): options[name] for name in SAID if options[name]},
        "seeds": options["seed"],
        "answers to each held-out prompt": options["heldout_answers"],
        **{n: value for n, value in _project(options).items() if value and n not in AXES},
    }
    command = " ".join(["manage.py", *sys.argv[1:]])
    report = as_report(command, rehearsals[0]["base_model"], settings, rehearsals)
    markdown: Path = options["report"]
    write_json(markdown.with_suffix(".json"), report)
    markdown.write_text(as_markdown(report), encoding="utf-8")


def _read(file: Path) -> list[NewPrompt]:
    try:
        with file.open(encoding="utf-8") as lines:
            return list(parse_prompts(lines))
    except OSError as problem:
        raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
    except UnreadablePrompt as problem:
        raise CommandError(f"{file}: {problem}") from problem
