"""A step of the word chain, from the browser's request to its answer.

    python bench/word_chain.py --model FOLDER [--steps 40] [--json]

Starts the web process and the accelerator worker of the Procfile on a database of their own, and
asks over HTTP as the page does: one token further each time, for one version, for two and for three
of one base model side by side, a pass over all positions at once, and single steps while the same
worker fills the queue with answers. The adapters are new ones with random weights.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.comparison import machine
from bench.desk import Labeler, free_port, process_of, wait_for
from bench.desk_data import SLUG, bench_database, prepare, session_of, settings_for
from config import embedded_redis
from config.processes import Process, stop

PROMPT = "What is the highest mountain in Taiwan, and how would one get there?"
HOW = {"temperature": "1", "top_k": "0", "top_p": "1", "seed": "1"}
PASSES = 24  # positions guessed at once
Answer = dict[str, Any]


class Page:
    """The page of one admin: what it asks, and how long the answer took."""

    def __init__(self, port: int, session: str) -> None:
        self.browser = Labeler(port, session)
        self.path = f"/projects/{SLUG}/word-chain/"
        self.browser.ask("GET", self.path)
        self.how = dict(HOW)

    def ask(self, **fields: str) -> tuple[Answer, float]:
        """The answer, and the seconds until it came, however often the page had to ask."""
        began = time.monotonic()
        while True:
            status, text = self.browser.ask(
                "POST", f"{self.path}ask/", prompt=PROMPT, is_chat="on", **self.how, **fields
            )
            answer = json.loads(text)
            if status != 200:
                raise SystemExit(f"{status}: {answer}")
            if "waiting" not in answer:
                return answer, time.monotonic() - began

    def steps(self, versions: str, count: int) -> list[float]:
        self.how["seed"] = str(int(self.how["seed"]) + 1)  # what was asked before is known
        tokens: list[int] = []
        times = []
        for _step in range(count):
            answer, took = self.ask(way="step", versions=versions, tokens=join(tokens))
            times.append(took)
            tokens.append(answer["looks"][0]["chosen"]["id"])
        return times[1:]  # the first one reads the prompt

    def sweeps(self, versions: str) -> list[float]:
        guess, settled, times = [-1] * PASSES, 0, []
        while settled < len(guess):
            answer, took = self.ask(
                way="sweep", versions=versions, tokens=join(guess), settled=str(settled)
            )
            guess, settled = [token["id"] for token in answer["guess"]], answer["settled"]
            times.append(took)
        return times[1:]


def join(tokens: list[int]) -> str:
    return ",".join(map(str, tokens))


def make_versions(model: Path, count: int) -> None:
    """Policies of the bench's project: the model itself, and adapters on it."""
    import torch
    from django.conf import settings

    from annotation.lm.loading import PolicySource, load_plain_policy
    from annotation.models import PolicyVersion, Project
    from rewardmodel.learning.core.adapters import save_adapter, with_fresh_adapter

    project = Project.objects.get(slug=SLUG)
    project.policyversions.update(base_model=str(model))
    for number in range(1, count + 1):
        adapted = with_fresh_adapter(load_plain_policy(PolicySource(str(model)))[0], 16)
        for name, weights in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.002)
        save_adapter(adapted, settings.VAR_FOLDER / f"adapter-{number}")
        PolicyVersion.objects.create(
            project=project, number=number, base_model=str(model), path=f"adapter-{number}"
        )


def fill_the_queue() -> None:
    """The worker has answers to write for minutes."""
    from annotation.exchange.prompts import NewPrompt
    from annotation.models import Project
    from annotation.services.generation import ask_for_answers
    from annotation.services.prompts import add_prompts

    project = Project.objects.get(slug=SLUG)
    questions = [f"How do I boil egg number {number}?" for number in range(40)]
    add_prompts(
        project, [NewPrompt(messages=[{"role": "user", "content": each}]) for each in questions]
    )
    ask_for_answers(project)


def groups_under_way() -> int:
    from annotation.models import PromptGroup

    return PromptGroup.objects.filter(status=PromptGroup.Status.GENERATING).count()


def start(port: int) -> list[Process]:
    """The processes that the page needs; beat and the worker of short jobs it does not."""
    chosen = [process_of(name, port) for name in ("web", "accelerator")]
    for process in chosen:
        process.start()
    return chosen


def answers(port: int) -> bool:
    try:
        return Labeler(port, "").ask("GET", "/login/")[0] == 200
    except OSError:
        return False


def measure(page: Page, steps: int) -> dict[str, list[float]]:
    _answer, first = page.ask(way="step", versions="0", tokens="")
    found = {"first answer of all: model loaded": [first]}
    page.steps("0,1,2", 2)  # adapters are loaded
    found["step, one version"] = page.steps("0", steps)
    found["step, one version with an adapter"] = page.steps("1", steps)
    found["step, two versions"] = page.steps("0,1", steps)
    found["step, three versions"] = page.steps("0,1,2", steps)
    found[f"pass over {PASSES} positions"] = page.sweeps("0")
    fill_the_queue()
    wait_for(groups_under_way)
    found["step, one version, while answers are written"] = page.steps("0", steps)
    if not groups_under_way():
        raise SystemExit("The worker had nothing to do any more.")
    return found


def asked_for(doc: str | None, count: str, default: int) -> argparse.Namespace:
    """What the command line says: a model, how often, and whether the figures are for a program."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True, help="folder of a chat model")
    parser.add_argument(count, type=int, default=default)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main() -> None:
    wanted = asked_for(__doc__, "--steps", 40)
    with installation(wanted.model.resolve(), versions=2) as (port, session):
        found = measure(Page(port, session), wanted.steps)
    show(found, as_json=wanted.json)


@contextmanager
def installation(model: Path, versions: int) -> Iterator[tuple[int, str]]:
    """The port of one with the model and so many adapters on it, and its owner's session."""
    with tempfile.TemporaryDirectory(prefix="laoshi-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        settings_for(bench_database(folder), folder)
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        if settings.REDIS_IS_EMBEDDED:
            log = folder / "redis.log"
            stack.enter_context(embedded_redis.running(settings.REDIS_SOCKET, log))
        prepare(0)
        call_command("collectstatic", interactive=False, verbosity=0)
        make_versions(model, versions)
        from annotation.models import User

        port = free_port()
        processes = start(port)
        try:
            wait_for(lambda: answers(port))
            yield port, session_of(User.objects.get(username="owner"))
        finally:
            stop(processes)


def show(found: dict[str, list[float]], *, as_json: bool) -> None:
    print(f"# {machine()}")
    rows = {}
    for name, times in found.items():
        ordered = sorted(1000 * one for one in times)
        rows[name] = {
            "p50_ms": round(statistics.median(ordered), 1),
            "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
        }
        print(f"{name:48}  p50 {rows[name]['p50_ms']:8} ms   p95 {rows[name]['p95_ms']:8} ms")
    if as_json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
