"""An answer in the playground, from the browser's request to its first token and to its last.

    python bench/playground.py --model FOLDER [--answers 12] [--json]

Starts the web process and the accelerator worker of the Procfile on a database of their own, and
asks over HTTP as the page does, every fifth of a second: with the worker free, then while it fills
the queue with batches of four prompts, four answers each. A reward model with random weights, of
the kind that trainings make, scores the answers.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.desk import Labeler, wait_for
from bench.desk_data import SLUG
from bench.word_chain import (
    PROMPT,
    asked_for,
    fill_the_queue,
    groups_under_way,
    installation,
    join,
    show,
)

AGAIN = 0.2  # seconds until the page asks once more, as it does
TOKENS = 48
FIELDS = {
    **{"versions": "0", "place": "0", "system_prompt": "", "temperature": "1", "top_k": "0"},
    **{"top_p": "1", "max_new_tokens": str(TOKENS)},
    "messages": json.dumps([{"role": "user", "content": PROMPT}]),
}
Answer = dict[str, Any]


class Page:
    """The page of one admin: what it asks, and how long the answers took."""

    def __init__(self, port: int, session: str) -> None:
        self.browser = Labeler(port, session)
        self.path = f"/projects/{SLUG}/playground/"
        self.browser.ask("GET", self.path)
        self.seed = 0

    def answer(self) -> tuple[float, float, float]:
        """Seconds until some of it stood there, for each token after that, and for its score."""
        self.seed += 1
        own = {"name": str(uuid4()), "seed": str(self.seed)}
        tokens: list[int] = []
        proof, began, first, seen = "", time.monotonic(), 0.0, 0
        while True:
            said = self._ask(way="write", tokens=join(tokens), proof=proof, **own)
            if "tokens" in said:
                if not tokens:
                    first, seen = time.monotonic() - began, len(said["tokens"])
                tokens, proof = said["tokens"], said.get("proof", "")
            if "record" in said:
                break
            time.sleep(AGAIN)
        each = (time.monotonic() - began - first) / max(1, len(tokens) - seen)
        began = time.monotonic()
        while "score" not in self._ask(way="score", tokens=join(tokens), **own):
            pass
        return first, each, time.monotonic() - began

    def _ask(self, **fields: str) -> Answer:
        status, text = self.browser.ask("POST", f"{self.path}ask/", **FIELDS, **fields)
        said: Answer = json.loads(text)
        if status != 200 or "problem" in said:
            raise SystemExit(f"{status}: {said}")
        return said


def make_reward_model(model: Path) -> None:
    """A head on the model, as trainings make them, with weights of chance."""
    from django.conf import settings

    from annotation.models import Project, Snapshot
    from rewardmodel.models import RewardModelVersion
    from tests.tiny import build_tiny_reward_model

    project = Project.objects.get(slug=SLUG)
    build_tiny_reward_model(model, settings.VAR_FOLDER / "judge")
    RewardModelVersion.objects.create(
        project=project,
        number=1,
        status="champion",
        base_model=str(model),
        path="judge",
        snapshot=Snapshot.objects.create(project=project, kind="groups", sha256="0" * 64, rows=1),
    )


def measure(page: Page, answers: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}

    def ask(worker: str) -> None:
        every = [page.answer() for _ in range(answers)]
        for place, name in enumerate(("first words", "each token", "score")):
            found[f"{name}, {worker}"] = [times[place] for times in every]

    page.answer()  # the model is loaded
    ask("the worker is free")
    fill_the_queue()
    wait_for(groups_under_way)
    ask("while it fills the queue")
    if not groups_under_way():
        raise SystemExit("The worker had nothing to do any more.")
    return found


def main() -> None:
    wanted = asked_for(__doc__, "--answers", 12)
    with installation(wanted.model.resolve(), versions=0) as (port, session):
        make_reward_model(wanted.model.resolve())
        found = measure(Page(port, session), wanted.answers)
    show(found, as_json=wanted.json)


if __name__ == "__main__":
    main()
