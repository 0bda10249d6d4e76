from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from annotation.exchange.files import require_writable, sha256_of, write_json
from annotation.lm.loading import PolicyUnavailable, require_folder
from annotation.management.files import writing
from rewardmodel.learning.configs import ConfigError, RewardConfig
from rewardmodel.learning.core.row_report import row_sentence
from rewardmodel.learning.core.script import quieten_libraries
from rewardmodel.learning.core.snapshot_rows import SnapshotError
from rewardmodel.learning.reward.evaluation import Evaluation, evaluate, score_items
from rewardmodel.learning.reward.evaluation_items import read_items

TOLD_EVERY = 50  # items


class Command(BaseCommand):
    help = (
        "How often a reward model scores the answer highest that people chose: RewardBench 2's "
        "accuracy and its score of ties, on its rows or on ranked groups that the model never saw."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "folder", help="a reward model of either kind, or a classifier with one label"
        )
        parser.add_argument("--set", type=Path, required=True, help="JSON Lines")
        parser.add_argument(
            "--heldout-percent",
            type=int,
            help="of ranked groups take only those that a training with this value held out",
        )
        parser.add_argument("--json", type=Path, help="where the figures go as JSON, too")
        parser.add_argument(
            "--tokens-per-batch",
            type=int,
            default=RewardConfig.tokens_per_batch,
            help="padded tokens of one forward pass; bounds the memory, not the result",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        quieten_libraries()
        folder, path = options["folder"], options["set"]
        try:
            for name in ("heldout_percent", "tokens_per_batch"):
                RewardConfig.require_in_range(name, options[name])
            require_folder(folder)
            if options["json"]:
                with writing(options["json"]):
                    require_writable(options["json"])
            items, skipped = read_items(path, options["heldout_percent"])
            self.stdout.write(row_sentence("rows", len(items), skipped, {}))

            def tell(number: int) -> None:
                if number % TOLD_EVERY == 0:
                    self.stdout.write(f"{number} of {len(items)} scored")
                    self.stdout.flush()

            found = evaluate(items, score_items(folder, items, options["tokens_per_batch"], tell))
        except (ConfigError, SnapshotError, PolicyUnavailable) as problem:
            raise CommandError(str(problem)) from problem
        for line in as_table(found):
            self.stdout.write(line)
        if options["json"]:
            of = {"model": folder, "set": str(path), "set_sha256": sha256_of(path)}
            with writing(options["json"]):
                write_json(options["json"], {**of, "skipped": dict(skipped), **asdict(found)})


def as_table(found: Evaluation) -> Iterator[str]:
    """A line for each subset, and one for the mean."""
    width = max(len("subset"), *(len(each.subset) for each in found.subsets))
    yield (f"{'subset':<{width}}  items  score  95 % interval   chance  shortest  longest")
    for each in found.subsets:
        yield (
            f"{each.subset:<{width}}  {each.items:>5}  {each.score:5.3f}  "
            f"{each.low:5.3f} to {each.high:5.3f}  {each.chance:6.3f}  {each.shorter:8.3f}  "
            f"{each.longer:7.3f}"
        )
    yield (
        f"{'mean':<{width}}  {found.items:>5}  {found.score:5.3f}  {'':14}  {found.chance:6.3f}  "
        f"{found.shorter:8.3f}  {found.longer:7.3f}"
    )
    for each in found.subsets:
        known = {name: value for name, value in (each.terms or {}).items() if value is not None}
        if known:
            yield "; ".join(f"{name} {value:.3f}" for name, value in known.items())
