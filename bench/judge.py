"""A language model as judge of a comparison, behind a real server, through the real services.

    python bench/judge.py --server http://127.0.0.1:8000/v1 --model NAME [--pairs 8] [--patience S]

On a database of its own two versions have answered questions: one of the two answers is right, the
other one is the answer to another question; each version has the right one half of the time. The
last line is one object: `right`, `wrong` and `tie` of the verdicts as they count, `heard` of each
pair in both orders (-1 the first, 1 the second, 0 a tie, null none), `failed` a judge's own
sentence, `seconds`. DATABASE_URL and REDIS_URL as in bench/desk.py.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.desk_data import SLUG, bench_database, prepare, settings_for
from config import embedded_redis

RIGHT = {
    "What is the capital of France?": "The capital of France is Paris.",
    "How many legs does a spider have?": "A spider has eight legs.",
    "What is seven times eight?": "Seven times eight is fifty-six.",
    "Which planet do we live on?": "We live on the planet Earth.",
    "What is frozen water called?": "Frozen water is called ice.",
    "Who wrote Romeo and Juliet?": "William Shakespeare wrote Romeo and Juliet.",
    "What color is a ripe banana?": "A ripe banana is yellow.",
    "At what temperature does water boil at sea level?": "It boils at 100 degrees Celsius.",
}


def judged(pairs: int, patience: float) -> dict[str, Any]:
    from django.conf import settings

    from annotation.lm.completion import Completion
    from annotation.models import PolicyVersion, Project
    from annotation.services.comparisons import start_comparison
    from annotation.services.groups import claim_groups, store_answers
    from rewardmodel.models import JudgedPair, Judging
    from rewardmodel.services import judges
    from rewardmodel.services.judging import judge_next_pairs, start_judging
    from tests.people import ask

    judges.PATIENCE = patience
    project = Project.objects.get(slug=SLUG)
    ask(project, *list(RIGHT)[:pairs])
    project.prompts.update(split="heldout")
    first = PolicyVersion.objects.get(project=project)
    second = PolicyVersion.objects.create(
        project=project, number=1, parent=first, base_model=first.base_model, path="none"
    )
    comparison = start_comparison(project, first, second)
    answers = list(RIGHT.values())
    better: dict[int, int] = {}
    while claimed := claim_groups(project.pk, limit=4):
        for group in claimed:
            place = list(RIGHT).index(group.messages[-1]["content"])
            better[group.pk] = place % 2  # the version whose answer is right
            is_right = better[group.pk] == group.answers.count()
            text = answers[place] if is_right else answers[(place + 1) % len(answers)]
            store_answers(group, [Completion(text, (1, 2), "stop", 0)], sampling={})
    began = time.monotonic()
    judging = start_judging(comparison, None, 0)
    while judge_next_pairs(judging.pk):
        pass
    judging.refresh_from_db()
    words: Counter[str] = Counter()
    heard = []
    for pair in JudgedPair.objects.filter(judging=judging).order_by("group_id"):
        heard.append(pair.heard)
        if pair.heard != JudgedPair.UNREAD:
            is_tie = pair.preference == 0.5
            is_right = (pair.preference > 0.5) == bool(better[pair.group_id])
            words["tie" if is_tie else "right" if is_right else "wrong"] += 1
    return {
        "model": settings.JUDGE_MODEL,
        "status": judging.status if judging.status != Judging.Status.RUNNING else "rests",
        "failed": judging.reason_said,
        **{name: words[name] for name in ("right", "wrong", "tie")},
        "heard": heard,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", type=int, default=len(RIGHT))
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for one verdict")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="laoshi-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        settings_for(bench_database(folder), folder)
        os.environ |= {"JUDGE_SERVER": asked.server, "JUDGE_MODEL": asked.model}
        import django

        django.setup()
        from django.conf import settings

        if settings.REDIS_IS_EMBEDDED:
            log = folder / "redis.log"
            stack.enter_context(embedded_redis.running(settings.REDIS_SOCKET, log))
        prepare(0)
        print(json.dumps(judged(asked.pairs, asked.patience)))


if __name__ == "__main__":
    main()
