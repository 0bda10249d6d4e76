"""What `manage.py evaluate` says of a reward model, against values by hand."""

import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.core.management import CommandError, call_command
from transformers import AutoModelForSequenceClassification

from annotation.lm.loading import PolicyUnavailable
from rewardmodel.learning.core.snapshot_rows import SnapshotError
from rewardmodel.learning.reward.evaluation import (
    evaluate,
    points,
    score_items,
    ties_score,
    ties_table,
)
from rewardmodel.learning.reward.evaluation_items import Item, read_items
from rewardmodel.learning.reward.plain import PlainClassifier
from rewardmodel.learning.reward.scorer import RewardScorer
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import train_reward_model

CPU = torch.device("cpu")
Write = Callable[[Rows], Path]


def row(**values: Any) -> dict[str, Any]:
    """One of RewardBench 2."""
    fixed = {"id": "1", "prompt": "Who?", "chosen": ["me"], "rejected": ["a", "bb", "cccc"]}
    return {**fixed, "subset": "Factuality", **values}


def item(chosen: int, rejected: int, name: str = "1", subset: str = "Math") -> Item:
    texts = [str(number) for number in range(chosen + rejected)]
    return Item(name, subset, user(f"Say {name}"), texts[:chosen], texts[chosen:])


@pytest.mark.parametrize(
    ("scores", "worth"),
    [
        ([2.0, 1.0, 0.0, -1.0], 1.0),
        ([1.0, 2.0, 0.0, -1.0], 0.0),
        ([2.0, 2.0, 0.0, -1.0], 1 / 2),
        ([2.0, 2.0, 2.0, 2.0], 1 / 4),
    ],
)
def test_an_equal_highest_score_is_shared(scores: list[float], worth: float) -> None:
    assert points(scores) == worth


def test_accuracy_by_subset_and_what_chance_and_length_reach_by_hand() -> None:
    items = [
        Item("1", "Math", user("Say 1"), ["a"], ["bb", "ccc", "dddd"]),
        Item("2", "Math", user("Say 2"), ["aaaa"], ["b", "cc", "dddd"]),
        Item("3", "Focus", user("Say 3"), ["a"], ["bb"]),
    ]
    found = evaluate(items, [[4, 3, 2, 1], [1, 1, 0, 0], [0, 1]])
    math, focus = found.subsets
    assert (math.subset, math.items, math.score) == ("Math", 2, 0.75)
    assert (math.low, math.high) == (0.5, 1.0)
    assert (math.chance, math.shorter, math.longer) == (0.25, 0.5, 0.25)
    assert (focus.score, focus.chance, focus.shorter, focus.longer) == (0.0, 0.5, 1.0, 0.0)
    assert (found.items, found.score, found.chance) == (3, 0.375, 0.375)


def test_items_of_one_prompt_are_drawn_together() -> None:
    items = [Item(str(n), "Math", user("Say 1"), ["a"], ["b"]) for n in range(6)]
    [found] = evaluate(items, [[1, 0], [0, 1]] * 3).subsets
    assert (found.low, found.high) == (0.5, 0.5)


def test_the_score_of_ties_by_hand() -> None:
    names = ("tied:1", "ref:1", "tied:2", "ref:2")
    items = [item(2 if "tied" in name else 1, 2, name, "Ties") for name in names]
    scores = [[5.0, 4.0, 1.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 1.0, 0.0], [1.0, 2.0, 0.0]]
    # 1: gaps 3 and 2, spread 1: all right. 2: gaps -1 and -1, spread 3: all wrong.
    breaks = (np.tanh(2 / 1 - 1) + np.tanh(-1 / 3 - 1)) / 2
    assert ties_score(ties_table(items, scores)) == pytest.approx(0.5 + 0.01 * breaks)
    [found] = evaluate(items, scores).subsets
    assert found.score == pytest.approx(0.5 + 0.01 * breaks)
    assert found.terms is not None
    assert found.terms["margin_with_reference"] == 0.5
    assert found.low < 0.01 < 0.99 < found.high


def test_a_margin_counts_against_the_reference_too() -> None:
    items = [item(2, 1, "tied:1", "Ties"), item(1, 1, "ref:1", "Ties")]
    table = ties_table(items, [[5.0, 4.0, 1.0], [0.5, 0.0]])
    assert table[0, :4].tolist() == [1, 1, 1, 0]  # gaps 3 and 0.5, spread 1
    assert table[0, 4] == pytest.approx(np.tanh(0.5 - 1))


def test_equal_good_answers_break_ties_by_the_sign_of_the_gap() -> None:
    items = [item(2, 1, "tied:1", "Ties"), item(1, 1, "ref:1", "Ties")]
    assert ties_table(items, [[4.0, 4.0, 1.0], [1.0, 0.0]])[0].tolist() == [1, 1, 1, 1, 1]
    assert ties_table(items, [[4.0, 4.0, 4.0], [1.0, 0.0]])[0].tolist() == [0, 1, 0, 0, 0]


def test_ties_without_references_are_scored_by_what_needs_none() -> None:
    items = [item(2, 1, name, "Ties") for name in ("7", "8")]
    scores = [[5.0, 4.0, 1.0], [5.0, 1.0, 0.5]]  # both right; only the first by its margin
    assert ties_score(ties_table(items, scores)) == pytest.approx((0.3 + 0.2 / 2) / 0.5)
    [found] = evaluate(items, scores).subsets
    assert found.terms is not None
    assert found.terms["reference_accuracy"] is None


def test_chance_in_ties_is_near_the_odds_of_an_order() -> None:
    items = [item(1, 3, f"ref:{n}", "Ties") for n in range(50)]
    [found] = evaluate(items, [[1, 0, 0, 0]] * 50).subsets
    assert found.score == 1
    assert found.chance == pytest.approx(1 / 4, abs=0.02)


def test_the_best_of_a_ranked_group_is_chosen_and_several_best_are_ties(write_rows: Write) -> None:
    group = {"prompt": user("Say"), "answers": ["a", "b", "c"], "source": "forum"}
    rankings = [[[1, 2, 3]], [[2, 1, 3], [1, 2, 3]], [[3, 1, 2], [2, 1, 3]], [[1, 1, 1]], []]
    rows = [
        {**group, "id": str(n), "rankings": [{"labeler": "x", "ranks": r} for r in ranks]}
        for n, ranks in enumerate(rankings)
    ]
    items, skipped = read_items(write_rows(rows))
    assert [(each.subset, each.chosen, each.rejected) for each in items] == [
        ("forum", ["a"], ["b", "c"]),
        ("Ties", ["a", "b"], ["c"]),
        ("forum", ["b"], ["a", "c"]),
    ]
    assert skipped == {"nothing that is worse": 1, "not ranked": 1}


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"chosen": "me"}, "'chosen' must be a list of one or more texts."),
        ({"rejected": []}, "'rejected' must be a list of one or more texts."),
        ({"prompt": 3}, "'prompt' must be a text, or a list of messages."),
        ({"subset": None}, "'subset' must be the name of the item's subset."),
        ({"chosen": ["a", "b"]}, "2 chosen answers; only Ties has several."),
        ({"id": "ref:1", "subset": "ties"}, "another item of Ties has the id ref:1."),
        ({"answers": ["a", "b"], "prompt": user("Say")}, "'rankings' must be a list of"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_number(
    damage: dict[str, Any], sentence: str, write_rows: Write
) -> None:
    path = write_rows([row(id="ref:1", subset="Ties"), row(**damage)])
    with pytest.raises(SnapshotError) as refused:
        read_items(path)
    assert str(refused.value).startswith(f"{path} line 2: {sentence}")


def test_a_file_with_nothing_to_decide_is_refused(write_rows: Write) -> None:
    with pytest.raises(SnapshotError, match="holds nothing to decide"):
        read_items(write_rows([]))


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A probe and a finetuned model that were taught that shorter is better."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "groups.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in shorter_is_better()))
    for method in ("probe", "finetune"):
        assert (
            train_reward_model(folder / method, folder / "groups.jsonl", tiny, method=method) == 0
        )
    return {method: folder / method for method in ("probe", "finetune")}


@pytest.mark.parametrize("method", ["probe", "finetune"])
def test_the_command_says_how_often_each_kind_of_model_finds_the_best_answer(
    method: str, models: dict[str, Path], tmp_path: Path, write_rows: Write
) -> None:
    said, figures = StringIO(), tmp_path / "figures.json"
    given = {"set": write_rows([row(), *shorter_is_better()]), "heldout_percent": 20}
    call_command("evaluate", str(models[method]), **given, json=figures, stdout=said)
    found = json.loads(figures.read_text())
    assert [each["subset"] for each in found["subsets"]] == ["Factuality", "groups"]
    groups = found["subsets"][1]
    assert (groups["items"], groups["shorter"], groups["longer"]) == (6, 1.0, 0.0)
    assert groups["score"] > 0.6
    assert f"groups          6  {groups['score']:.3f}" in said.getvalue()
    assert said.getvalue().startswith(
        "7 of 25 rows are used; skipped: 18 with a prompt to train on."
    )


def test_a_classifier_from_elsewhere_is_read_as_plain_transformers_reads_it(
    models: dict[str, Path], tmp_path: Path
) -> None:
    """Which for one of ours, without what we wrote into it, is as we read it."""
    foreign = shutil.copytree(models["finetune"], tmp_path / "foreign")
    config = json.loads((foreign / "config.json").read_text())
    for name in ("reward_mean", "reward_std", "group_tokens"):
        del config[name]
    (foreign / "config.json").write_text(json.dumps(config))
    items = [item(1, 3)]
    [plain] = score_items(str(foreign), items, 512, lambda _: None)
    [ours] = score_items(str(models["finetune"]), items, 512, lambda _: None)
    assert plain == pytest.approx(ours, abs=1e-4)
    assert len(set(plain)) == 4


def test_what_is_longer_than_a_classifier_reads_loses_its_start(
    models: dict[str, Path],
) -> None:
    scorer = PlainClassifier(str(models["finetune"]), CPU)
    [same] = scorer.raw_scores([(user("word " * 200), ["b" * 600, "a" + "b" * 600])], 512)
    assert same[0] == pytest.approx(same[1].item(), abs=1e-5)


def test_a_language_model_and_a_classifier_of_two_labels_are_refused_in_a_sentence(
    tiny: Path, models: dict[str, Path], tmp_path: Path, write_rows: Write
) -> None:
    path = write_rows([row()])
    with pytest.raises(CommandError, match="is a LlamaForCausalLM: a reward model is"):
        call_command("evaluate", str(tiny), set=path)
    two = AutoModelForSequenceClassification.from_pretrained(tiny, num_labels=2)
    folder = shutil.copytree(tiny, tmp_path / "two")
    two.save_pretrained(folder)
    with pytest.raises(CommandError, match="has 2 labels; a reward model has 1"):
        call_command("evaluate", str(folder), set=path)
    with pytest.raises(CommandError, match="There is no model folder at /nowhere"):
        call_command("evaluate", "/nowhere", set=path)


def test_a_bad_row_or_no_file_ends_the_command_with_a_sentence(
    models: dict[str, Path], tmp_path: Path, write_rows: Write
) -> None:
    for path in (write_rows([row(chosen=[])]), tmp_path / "none.jsonl"):
        with pytest.raises(CommandError, match=str(path)):
            call_command("evaluate", str(models["probe"]), set=path)


def test_the_scorer_that_trains_policies_still_wants_a_scale(
    models: dict[str, Path], tiny: Path
) -> None:
    assert RewardScorer(str(models["finetune"]), CPU).std > 0
    with pytest.raises(PolicyUnavailable, match="no reward_mean"):
        RewardScorer(str(tiny), CPU)
