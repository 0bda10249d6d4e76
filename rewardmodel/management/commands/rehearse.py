import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import write_json
from annotation.exchange.prompts import NewPrompt, UnreadablePrompt, parse_prompts
from annotation.exchange.untrusted_json import parse_json
from annotation.models import Project
from rewardmodel.rehearsal.report import as_markdown, as_report
from rewardmodel.rehearsal.rounds import Plan, RehearsalStopped, rehearse
from rewardmodel.rehearsal.teachers import Teacher, find_teacher
from rewardmodel.services import RunRefused

DETACH = "--detach"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin would starve the worker


class Command(BaseCommand):
    help = (
        "Play whole rounds of the loop with scripted labelers, through the real services and the "
        "running worker, and report what the true teacher thinks of the result: for every teacher "
        "and every seed that is named, one after the other."
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
        what.add_argument("--seeds", type=int, nargs="+", default=[0])
        what.add_argument("--rounds", type=int, default=2)
        what.add_argument("--rankings", type=int, help="in each round; default: all groups")
        what.add_argument("--prompts", type=Path, required=True, help="JSON Lines or plain text")
        what.add_argument("--take", type=int, help="use only the first prompts of the file")
        what.add_argument(
            "--report", type=Path, required=True, help="Markdown file; JSON goes beside it"
        )
        what.add_argument(
            DETACH, action="store_true", help="go on in the background; the log lies beside it"
        )
        people = parser.add_argument_group("labelers")
        people.add_argument("--labelers", type=int, default=1)
        people.add_argument("--overlap", type=int, default=1, help="rankings of each group")
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
        project.add_argument("--heldout-answers", type=int, default=8, help="by each policy")
        project.add_argument("--base-model", default="", help="default: POLICY_MODEL")
        project.add_argument("--reward-settings", type=parse_json, default={}, help="JSON")
        project.add_argument("--policy-settings", type=parse_json, default={}, help="JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        teachers = {name: _teacher(name) for name in options["teacher"]}
        then = _teacher(options["then"]) if options["then"] else None
        prompts = _read(options["prompts"])[: options["take"]]
        if options["detach"]:
            self._detach(options["report"])
            return
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}")
            self.stdout.flush()

        rehearsals: list[dict[str, Any]] = []
        for name, teacher in teachers.items():
            for seed in options["seeds"]:
                say(f"Teacher {name}, seed {seed}.")
                plan = _plan(options, teacher, then, prompts, seed)
                rehearsals.append({"teacher": name, "seed": seed, **_played(plan, say)})
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


def _played(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    try:
        project, rounds = rehearse(plan, say)
    except (RehearsalStopped, RunRefused) as problem:
        raise CommandError(str(problem)) from problem
    base_model = project.policyversions.get(number=0).base_model
    return {"base_model": Path(base_model).name, "rounds": rounds}


def _plan(
    options: dict[str, Any],
    teacher: Teacher,
    then: Teacher | None,
    prompts: list[NewPrompt],
    seed: int,
) -> Plan:
    return Plan(
        teacher=teacher,
        then=then,
        rounds=options["rounds"],
        prompts=prompts,
        labelers=options["labelers"],
        overlap=options["overlap"],
        rankings=options["rankings"],
        noise=options["noise"],
        length_bias=options["length_bias"],
        heldout_answers=options["heldout_answers"],
        seed=seed,
        project=_project(options),
    )


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


SAID = ("then", "rounds", "rankings", "labelers", "overlap", "noise", "length_bias")


def _write(options: dict[str, Any], rehearsals: list[dict[str, Any]]) -> None:
    settings = {
        **{name.replace("_", " "): options[name] for name in SAID if options[name]},
        "seeds": options["seeds"],
        "answers to each held-out prompt": options["heldout_answers"],
        **{name: value for name, value in _project(options).items() if value},
    }
    command = " ".join(["manage.py", *sys.argv[1:]])
    report = as_report(command, rehearsals[0]["base_model"], settings, rehearsals)
    markdown: Path = options["report"]
    write_json(markdown.with_suffix(".json"), report)
    markdown.write_text(as_markdown(report), encoding="utf-8")


def _teacher(name: str) -> Teacher:
    try:
        return find_teacher(name)
    except ValueError as problem:
        raise CommandError(str(problem)) from problem


def _read(file: Path) -> list[NewPrompt]:
    try:
        with file.open(encoding="utf-8") as lines:
            return list(parse_prompts(lines))
    except OSError as problem:
        raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
    except UnreadablePrompt as problem:
        raise CommandError(f"{file}: {problem}") from problem
