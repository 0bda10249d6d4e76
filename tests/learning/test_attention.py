"""A head may weigh an answer's tokens: learned from rankings, kept where the folds say so."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from annotation.lm.chat import Chat
from annotation.lm.loading import PolicyUnavailable, load_causal_lm, load_tokenizer
from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.group_packing import EncodedGroup, Layout, pack, unpack
from rewardmodel.learning.reward import attention, backbone
from rewardmodel.learning.reward.attention import mean_of, with_attention
from rewardmodel.learning.reward.choice import Choice, choose_head
from rewardmodel.learning.reward.features import FeatureReader, attention_shares, read_features
from rewardmodel.learning.reward.fit_probe import load_backbone
from rewardmodel.learning.reward.preferences import PreferenceTarget, preference_shares
from rewardmodel.learning.reward.probe import (
    Head,
    LinearProbe,
    Recipe,
    chosen_features,
    load_probe,
)
from rewardmodel.learning.reward.scorer import RewardScorer
from rewardmodel.learning.reward.tokens import Reading, TokenStates, read_with_tokens, rounded
from tests.learning.conftest import Rows, shorter_is_better, user
from tests.learning.runs import result_of, train_reward_model

CPU = torch.device("cpu")
WIDTH = 6
GROUPS = [
    EncodedGroup([5, 6, 7], [[8, 9, 2], [10, 2]]),
    EncodedGroup([11], [[12, 13, 14, 15, 2], [16, 2], [17, 18, 2]]),
]
Draw = Callable[[Tensor], float]


def plain_states(folder: Path, layer: int) -> list[list[Tensor]]:
    """Of each answer of GROUPS, by transformers alone."""
    plain = AutoModelForCausalLM.from_pretrained(folder).train(False)
    return [
        [
            plain.model(torch.tensor([group.prompt + answer]), output_hidden_states=True)
            .hidden_states[layer][0, len(group.prompt) :]
            .detach()
            for answer in group.answers
        ]
        for group in GROUPS
    ]


@pytest.mark.usefixtures("float32_features")
@pytest.mark.parametrize("layout", [pack, unpack])
def test_tokens_are_weighed_by_a_softmax_along_the_query(layout: Layout, tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    query = torch.randn(network.config.hidden_size, generator=torch.Generator().manual_seed(0))
    if layout is pack:
        from annotation.lm.shared_prompt_attention import use_group_attention

        use_group_attention(network)
    read = read_features(FeatureReader(network, (1,), query), layout, GROUPS, 0, 512)
    for answers, features in zip(plain_states(tiny, 1), read, strict=True):
        for states, found in zip(answers, features, strict=True):
            assert torch.allclose(found[0, 0], states.mean(0), atol=1e-5)
            assert torch.allclose(found[0, 2], (states @ query).softmax(0) @ states, atol=1e-5)


@pytest.mark.usefixtures("float32_features")
@pytest.mark.parametrize("tokens", [512, 3])
def test_tokens_that_are_learned_from_are_those_of_the_layer(tokens: int, tiny: Path) -> None:
    network = load_causal_lm(str(tiny), torch.float32).train(False)
    read = read_with_tokens(FeatureReader(network, [1, 2]), [1], unpack, GROUPS, 0, tokens)
    for answers, group in zip(plain_states(tiny, 1), read, strict=True):
        found = group.tokens[1]
        assert torch.allclose(found.exact, torch.cat(answers), atol=2e-3)
        assert torch.bincount(found.answer_of).tolist() == [len(states) for states in answers]


@pytest.mark.parametrize(("room", "passes"), [(10**9, 1), (0, 2)])
def test_where_tokens_have_room_in_memory_no_answer_is_read_twice(
    room: int,
    passes: int,
    tiny: Path,
    write_rows: Callable[[Rows], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    def counted(reader: FeatureReader, layers: Sequence[int], *given: Any) -> list[Reading]:
        read.append(len(layers))
        return read_with_tokens(reader, layers, *given)

    monkeypatch.setattr(backbone, "MOST_IN_MEMORY", room)
    monkeypatch.setattr(f"{backbone.__name__}.read_with_tokens", counted)
    rows, output = write_rows(shorter_is_better(24)), tmp_path / "model"
    assert train_reward_model(output, rows, tiny, method="probe") == 0
    assert len(read) == passes


def test_tokens_are_the_same_in_either_pass(tiny: Path) -> None:
    config = RewardConfig(snapshot="-", base_model=str(tiny), output="-")
    found = load_backbone(config, CPU)
    asked = [(user("Say it"), ["one", "a second one"])]
    [read] = found.read(asked, 512, layers=found.layers)
    for layer in found.layers:
        [alone] = found.read_tokens(asked, layer, 512)
        assert torch.equal(read.tokens[layer].states, alone.states)


def test_one_token_has_all_of_the_weight() -> None:
    along = torch.tensor([-1000.0, 3.0, 1000.0])
    assert attention_shares(along, torch.tensor([0, 1, 1]), 2).tolist() == [1, 0, 1]


def drawn(best: Draw, groups: int = 60) -> tuple[list[TokenStates], list[PreferenceTarget]]:
    """Groups of three answers of 4 to 12 random tokens, the best first by what `best` says."""
    chance = torch.Generator().manual_seed(1)
    tokens, targets = [], []
    for _ in range(groups):
        lengths = torch.randint(4, 13, (3,), generator=chance).tolist()
        answers = [torch.randn(length, WIDTH, generator=chance) for length in lengths]
        told = [best(answer) for answer in answers]
        shares = preference_shares([[sorted(told, reverse=True).index(one) + 1 for one in told]])
        tokens.append(rounded(answers))
        targets.append(PreferenceTarget(shares, torch.zeros_like(shares), 1.0))
    return tokens, targets


def chosen(
    tokens: list[TokenStates], targets: list[PreferenceTarget], prompts: list[str] | None = None
) -> tuple[Choice, Choice]:
    """Without and with attention, from one layer's tokens."""
    prompts = prompts or [str(number) for number in range(len(tokens))]
    answers = [own.exact.split(torch.bincount(own.answer_of).tolist()) for own in tokens]  # type: ignore[no-untyped-call]
    hidden = [
        torch.stack([torch.stack([one.mean(0), one[-1]]) for one in own])[:, None]
        for own in answers
    ]
    lengths = [torch.tensor([float(len(one)) for one in own]).log() for own in answers]
    before = choose_head(hidden, (1,), lengths, targets, prompts)
    mean = mean_of(before.trials, 1)
    features = [
        chosen_features(mean.recipe, (1,), *both) for both in zip(hidden, lengths, strict=True)
    ]
    return before, with_attention(before, mean, features, tokens, targets, prompts)


def test_where_few_tokens_matter_they_are_found() -> None:
    before, after = chosen(*drawn(lambda answer: float(answer[:, 0].max())))
    assert after.head.recipe == Recipe((1,), ("attention",))
    assert after.trials[0].log_loss < before.trials[0].log_loss - 0.1
    assert after.head.query is not None
    assert after.head.query.abs().argmax() == 0
    assert after.head.weights.abs().argmax() == 0


def test_where_all_tokens_matter_alike_nothing_changes_but_what_was_tried() -> None:
    before, after = chosen(*drawn(lambda answer: float(answer[:, 0].mean())))
    assert after.head is before.head
    names = [each.recipe.name for each in after.trials]
    assert names[0] == before.trials[0].recipe.name
    assert "attention of layer 1, length" in names


def test_folds_judge_by_a_query_that_did_not_see_their_prompts() -> None:
    """Whatever a query learns by heart of groups that say nothing, the folds do not see it."""
    chance = torch.Generator().manual_seed(5)
    tokens, targets = drawn(lambda answer: float(torch.rand(1, generator=chance)), 40)
    _, after = chosen(tokens, targets)
    [trial] = [each for each in after.trials if "attention" in each.recipe.poolings]
    assert trial.log_loss > 0.69


def test_in_whatever_order_groups_come_the_head_is_the_same() -> None:
    tokens, targets = drawn(lambda answer: float(answer[:, 0].max()))
    prompts = [str(number) for number in range(len(tokens))]
    _, one = chosen(tokens, targets, prompts)
    _, other = chosen(tokens[::-1], targets[::-1], prompts[::-1])
    assert one.head.query is not None
    assert other.head.query is not None
    assert torch.allclose(one.head.query, other.head.query, atol=1e-6)
    assert all(map(torch.allclose, one.outside, other.outside[::-1]))


def test_of_many_tokens_some_groups_tell_and_all_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "MOST_TOKENS", 600)
    tokens, targets = drawn(lambda answer: float(answer[:, 0].max()))
    assert sum(len(own.states) for own in tokens) > 1200
    _, after = chosen(tokens, targets)
    assert after.head.query is not None
    assert len(after.outside) == len(tokens)
    assert all(scores.std() > 0 for scores in after.outside)


@pytest.fixture
def weighing(tiny: Path, tmp_path: Path) -> Path:
    """The folder of a reward model whose head weighs tokens of the first layer, by chance."""
    network, chat = load_causal_lm(str(tiny), torch.float32), Chat(load_tokenizer(str(tiny)))
    hidden, chance = network.config.hidden_size, torch.Generator().manual_seed(0)
    head = Head(
        Recipe((1,), ("attention",)),
        torch.randn(hidden + 1, generator=chance),
        torch.eye(hidden + 1),
        5 * torch.randn(hidden, generator=chance),
    )
    folder = tmp_path / "weighing"
    LinearProbe(network, 256, head).save(folder, chat, 0.0, 1.0)
    return folder


@pytest.mark.usefixtures("float32_features")
def test_a_saved_one_scores_as_its_head_says(weighing: Path, tiny: Path) -> None:
    scorer = RewardScorer(str(weighing), CPU)
    [scores] = scorer.scores([(user("Say it"), ["one", "a second one"])], 512)
    probe, _, _ = load_probe(str(weighing))
    head, query = probe.head, probe.head.query
    assert query is not None
    prompt, answers = scorer.chat.group_ids(user("Say it"), ["one", "a second one"])
    plain = AutoModelForCausalLM.from_pretrained(tiny).train(False)
    for ids, score in zip(answers, scores, strict=True):
        read = plain.model(torch.tensor([prompt + ids]), output_hidden_states=True)
        states = read.hidden_states[1][0, len(prompt) :]
        pooled = (states @ query).softmax(0) @ states
        expected = pooled @ head.weights[:-1] + head.weights[-1] * torch.tensor(len(ids)).log()
        assert score.item() == pytest.approx(expected.item(), abs=1e-3)


def test_one_that_lost_its_query_is_called_damaged(weighing: Path) -> None:
    kept = load_file(weighing / "head.safetensors")
    save_file(
        {name: kept[name] for name in ("weights", "covariance")}, weighing / "head.safetensors"
    )
    with pytest.raises(PolicyUnavailable, match="is damaged"):
        load_probe(str(weighing))


def test_a_training_tries_it_and_reads_the_tokens_once(
    tiny: Path, write_rows: Callable[[Rows], Path], tmp_path: Path
) -> None:
    """The answer with a word in it is better; the word stands anywhere."""
    rows: Rows = []
    for number in range(40):
        plain = ["and so on and so", "once upon a time", "as you like it"]
        words = plain[number % 3].split()
        words.insert(number % 4, "zebra")
        rows.append(
            {
                "id": str(number),
                "lang": "en",
                "prompt": user(f"Say {number}"),
                "answers": [" ".join(words), *plain[:2]],
                "rankings": [{"labeler": "a", "ranks": [1, 2, 2]}],
            }
        )
    snapshot, kept = write_rows(rows), tmp_path / "kept"
    assert train_reward_model(tmp_path / "one", snapshot, tiny, method="probe", features=kept) == 0
    tried = result_of(tmp_path / "one")["metrics"]["chosen"]["tried"]
    assert any(each["recipe"].startswith("attention of layer") for each in tried)
    files = {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")}
    assert len(files) == 80  # of each group its pooled features, and its tokens in one layer
    assert train_reward_model(tmp_path / "two", snapshot, tiny, method="probe", features=kept) == 0
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("*.safetensors")} == files
    assert json.loads((tmp_path / "one" / "head.json").read_text()) == json.loads(
        (tmp_path / "two" / "head.json").read_text()
    )


def test_of_a_single_group_nothing_is_learned_about_tokens() -> None:
    before, after = chosen(*drawn(lambda answer: float(answer[:, 0].max()), 1))
    assert after is before
