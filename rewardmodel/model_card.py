"""A version's README.md, in the form of the Hugging Face hub: what it is, what it learned from, how
it was judged, how to load it. English, as model cards are."""

import json
from collections.abc import Iterable
from typing import Any

from annotation.models import PolicyVersion
from rewardmodel.learning.core.gate import from_json, word
from rewardmodel.models import RewardModelVersion

Version = PolicyVersion | RewardModelVersion

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
LOAD_HEAD = """# In a checkout of Laoshi. For other libraries make a classifier of it:
#   train_reward.py --method distil --teacher FOLDER
from rewardmodel.learning.reward.scorer import RewardScorer

scorer = RewardScorer("FOLDER")"""


def how_to_load(version: Version, *, is_whole: bool = False) -> str:
    """A few lines of Python; FOLDER stands for where its files are. `is_whole`: of an adapter that
    was merged into its base model."""
    if isinstance(version, RewardModelVersion):
        has_head = version.folder is not None and (version.folder / "head.json").is_file()
        return LOAD_HEAD if has_head else LOAD_CLASSIFIER
    is_adapter = version.path and not is_whole
    return LOAD_ADAPTER.format(base=version.base_model) if is_adapter else LOAD_MODEL


def model_card(version: Version, *, is_whole: bool = False) -> str:
    """`is_whole` as for `how_to_load`."""
    is_policy = isinstance(version, PolicyVersion)
    kind = "policy" if is_policy else "reward model"
    facts: dict[str, Any] = {
        "base_model": version.base_model,
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
        f"## How it was judged\n\n{_table(_flat(version.metrics))}\n",
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


def _flat(metrics: dict[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in metrics.items():
        if isinstance(value, dict) and "code" not in value:
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, int | float | str):
            yield f"{before}{name}", f"{value:.4g}" if isinstance(value, float) else value


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    lines = [f"| {name} | {str(value).replace('|', '/')} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])
