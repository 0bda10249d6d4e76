import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.prompts import NewPrompt, UnreadablePrompt, parse_prompts
from annotation.exchange.untrusted_json import parse_json
from annotation.models import Project
from rewardmodel.rehearsal.report import as_markdown, as_report
from rewardmodel.rehearsal.rounds import Plan, RehearsalStopped, rehearse
from rewardmodel.rehearsal.teachers import find_teacher
from rewardmodel.services import RunRefused


class Command(BaseCommand):
    help = (
        "Play whole rounds of the loop with scripted labelers, through the real services and the "
        "running worker, and report what the true teacher thinks of the result."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--teacher", required=True, help="dotted.path:function(prompt, answer)")
        parser.add_argument("--rounds", type=int, default=1)
        parser.add_argument("--prompts", type=Path, required=True, help="JSON Lines or plain text")
        parser.add_argument("--take", type=int, help="use only the first prompts of the file")
        parser.add_argument(
            "--report", type=Path, required=True, help="Markdown file; JSON goes beside it"
        )
        parser.add_argument("--labelers", type=int, default=1)
        parser.add_argument("--noise", type=float, default=0.0, help="deviation added to scores")
        parser.add_argument("--answers", type=int, default=4, help="K")
        parser.add_argument("--max-new-tokens", type=int, default=Project().max_new_tokens)
        parser.add_argument("--system-prompt", default="", help="before every prompt")
        parser.add_argument("--heldout-percent", type=int, default=25)
        parser.add_argument("--heldout-answers", type=int, default=8, help="by each policy")
        parser.add_argument("--base-model", default="", help="default: POLICY_MODEL")
        parser.add_argument("--reward-settings", type=parse_json, default={}, help="JSON")
        parser.add_argument("--policy-settings", type=parse_json, default={}, help="JSON")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        plan = self._plan(options)
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}")
            self.stdout.flush()

        try:
            project, rounds = rehearse(plan, say)
        except (RehearsalStopped, RunRefused) as problem:
            raise CommandError(str(problem)) from problem
        settings = {
            "teacher": plan.teacher_name,
            "prompts": len(plan.prompts),
            "labelers": plan.labelers,
            "noise": plan.noise,
            "answers a held-out prompt": plan.heldout_answers,
            "seed": plan.seed,
            **plan.project,
        }
        command = " ".join(["manage.py", *sys.argv[1:]])
        base_model = project.policyversions.get(number=0).base_model
        report = as_report(command, Path(base_model).name, settings, rounds)
        markdown: Path = options["report"]
        markdown.with_suffix(".json").write_text(json.dumps(report, indent=2, ensure_ascii=False))
        markdown.write_text(as_markdown(report))
        say(f"Report: {markdown} and {markdown.with_suffix('.json')}")

    def _plan(self, options: dict[str, Any]) -> Plan:
        try:
            teacher = find_teacher(options["teacher"])
        except ValueError as problem:
            raise CommandError(str(problem)) from problem
        return Plan(
            teacher_name=options["teacher"],
            teacher=teacher,
            rounds=options["rounds"],
            prompts=_read(options["prompts"])[: options["take"]],
            labelers=options["labelers"],
            noise=options["noise"],
            heldout_answers=options["heldout_answers"],
            seed=options["seed"],
            project={
                "answers_per_group": options["answers"],
                "max_new_tokens": options["max_new_tokens"],
                "system_prompt": options["system_prompt"],
                "heldout_percent": options["heldout_percent"],
                "policy_model": options["base_model"],
                "reward_settings": options["reward_settings"],
                "policy_settings": options["policy_settings"],
            },
        )


def _read(file: Path) -> list[NewPrompt]:
    try:
        with file.open(encoding="utf-8") as lines:
            return list(parse_prompts(lines))
    except OSError as problem:
        raise CommandError(f"{file} cannot be read: {problem.strerror}.") from problem
    except UnreadablePrompt as problem:
        raise CommandError(f"{file}: {problem}") from problem
