"""A version's README.md, in the form of the Hugging Face hub: what it is, what it learned from, how
it was judged, how to load it. English, as model cards are."""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from annotation.models import PolicyVersion, Snapshot
from annotation.services.snapshots import data_card
from rewardmodel.learning.core.gate import Verdict, from_json, word
from rewardmodel.models import RewardModelVersion
from rewardmodel.selectors.versions import Version

LOAD_ADAPTER = """from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{base}")
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "FOLDER")"""
LOAD_MODEL = """from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForCausalLM.from_pretrained("FOLDER")"""
LOAD_CLASSIFIER = """from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForSequenceClassification.from_pretrained("FOLDER")"""
DISTIL = "train_reward.py --method distil --teacher FOLDER"
LOAD_HEAD = f"""# In a checkout of Laoshi. For other libraries make a classifier of it:
#   {DISTIL}
from rewardmodel.learning.reward.scorer import RewardScorer

scorer = RewardScorer("FOLDER")"""


def has_head(version: Version) -> bool:
    """Whether it is a head on a model, which only Laoshi reads."""
    return version.folder is not None and (version.folder / "head.json").is_file()


def how_to_load(version: Version, *, is_whole: bool = False) -> str:
    """A few lines of Python; FOLDER stands for where its files are. `is_whole`: of an adapter that
    was merged into its base model."""
    if isinstance(version, RewardModelVersion):
        return LOAD_HEAD if has_head(version) else LOAD_CLASSIFIER
    is_adapter = version.path and not is_whole
    return LOAD_ADAPTER.format(base=version.base_model) if is_adapter else LOAD_MODEL


def model_card(version: Version, *, is_whole: bool = False) -> str:
    """`is_whole` as for `how_to_load`."""
    is_policy = isinstance(version, PolicyVersion)
    kind = "policy" if is_policy else "reward model"
    base = Path(version.base_model)
    # A hub refuses a card whose base model is a folder.
    named = {} if base.is_absolute() or base.is_dir() else {"base_model": version.base_model}
    facts: dict[str, Any] = {
        **named,
        "library_name": "peft" if is_policy and version.path and not is_whole else "transformers",
        "tags": ["laoshi", "rlhf", kind.replace(" ", "-")],
    }
    front = "\n".join(f"{name}: {json.dumps(value)}" for name, value in facts.items())
    sections = [
        f"---\n{front}\n---\n",
        f"# {version.project.name}, {kind} {version.number}\n",
        f"{_verdict(version)}\n",
        f"## How to load it\n\n```python\n{how_to_load(version, is_whole=is_whole)}\n```\n",
        f"## Where it comes from\n\n{_table(_origin(version))}\n",
        f"## Data\n\n{_table(_data(version))}\n",
        f"## How it was judged\n\n{_table(chain(_intervals(version), _flat(version.metrics)))}\n",
        "## Configuration\n\n```json\n"
        f"{json.dumps(version.provenance.get('config', {}), indent=2, ensure_ascii=False)}\n```\n",
    ]
    return "\n".join(sections)


def _verdict(version: Version) -> str:
    if version.gate_reason is None:
        return "It has passed no gate."
    return word(from_json(version.gate_reason))


def _origin(version: Version) -> Iterable[tuple[str, Any]]:
    provenance = version.provenance
    if version.label:
        yield "label", version.label
    yield "base model", version.base_model
    yield "parent", version.parent.number if version.parent else "none"
    if isinstance(version, RewardModelVersion):
        yield "rankings", version.snapshot.rankings
    for name in ("snapshot_sha256", "run", "policy", "reward_model", "commit"):
        if provenance.get(name) is not None:
            yield name.replace("_", " "), provenance[name]
    for name, number in (provenance.get("libraries") or {}).items():
        yield name, number
    yield "sha256 of manifest.json", version.sha256
    yield "made", version.created_at.isoformat(timespec="minutes")


def _data(version: Version) -> Iterable[tuple[str, Any]]:
    """The data card of what it learned from, or what is known where that file is gone."""
    snapshot = _snapshot_of(version)
    if snapshot is None:
        yield "learned from", "nothing here"
        return
    yield "of", Snapshot.Kind(snapshot.kind).value
    yield "rows", snapshot.rows
    card = data_card(snapshot)
    if not card:
        return
    for name in ("prompts", "answers", "rankings", "labelers", "pairs"):
        if card.get(name):
            yield name, card[name]
    if card.get("ties") is not None:
        yield "tied pairs", f"{card['ties']:.0%}"
    if card.get("agreement") is not None:
        pairs = card["agreement_pairs"]
        yield "agreement", f"{card['agreement']:.0%} of {pairs} pairs that two labelers ordered"
    yield "languages", _counted({name or "not said": n for name, n in card["languages"].items()})
    yield "training, held out", _counted(card["splits"])
    if card.get("made_here"):
        yield "made in this project", f"{card['made_here']} rows"
    for source in card.get("sources", ()):
        consent = "with consent" if source["has_consent"] else "consent not stated"
        licence = source["licence"] or "no licence given"
        yield f"from {source['source']}", f"{source['rows']} rows, {licence}, {consent}"


def _snapshot_of(version: Version) -> Snapshot | None:
    if isinstance(version, RewardModelVersion):
        return version.snapshot
    run = getattr(version, "produced_by", None)
    return run.snapshot if run else None


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items())


def _intervals(version: Version) -> Iterable[tuple[str, Any]]:
    """Those by which its gate decided."""
    said = from_json(version.gate_reason) if version.gate_reason else ""
    values = said.values if isinstance(said, Verdict) else {}
    for name, low, high in (("", "low", "high"), ("second judge, ", "second_low", "second_high")):
        ends = [end for end in map(values.get, (low, high)) if isinstance(end, int | float)]
        if len(ends) == 2:
            yield f"{name}interval by which the gate decided", "{:.4g} to {:.4g}".format(*ends)


def _flat(metrics: dict[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in metrics.items():
        if isinstance(value, dict) and "code" not in value:
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, int | float | str):
            yield f"{before}{name}", f"{value:.4g}" if isinstance(value, float) else value


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    lines = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])
