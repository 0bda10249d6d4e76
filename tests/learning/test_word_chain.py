"""What the page about the word chain shows is what the model does."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    PreTrainedModel,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from annotation.lm.asked import answer
from annotation.lm.chat import Chat
from annotation.lm.loading import (
    PolicySource,
    PolicyUnavailable,
    load_plain_policy,
    load_policy,
)
from annotation.lm.token_bytes import TokenBytes
from annotation.lm.version import Beginning, Version
from annotation.lm.warm import WarmPolicy
from annotation.lm.word_chain import Draw, Look, look, sweep
from tests.learning.conftest import user
from tests.tiny import build_tiny_adapter, build_tiny_model, build_tiny_tokenizer

HELLO = Beginning(user("台湾最高的山是哪座山？"))
SO_FAR = [70, 81, 90]


@pytest.fixture(scope="session")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a version that answers otherwise than its base."""
    return build_tiny_adapter(tiny, tmp_path_factory.mktemp("adapter"), seed=1)


@pytest.fixture
def base(tiny: Path) -> PolicySource:
    return PolicySource(str(tiny))


@pytest.fixture
def taught(tiny: Path, adapter: Path) -> PolicySource:
    return PolicySource(str(tiny), str(adapter))


def plain_logits(source: PolicySource, tokens: list[int]) -> Tensor:
    """Of the next token, by transformers alone, in one pass."""
    model, tokenizer = load_plain_policy(source)
    ids = [*Chat(tokenizer).prompt_ids(HELLO.messages), *tokens]
    with torch.no_grad():
        return cast(Tensor, model(torch.tensor([ids])).logits[0, -1])


def shares_of(seen: Look) -> dict[int, float]:
    return {bar.token.id: bar.share for bar in seen.bars}


@pytest.mark.parametrize(
    "how",
    [
        *(Draw(), Draw(temperature=0.7), Draw(temperature=1.5, top_k=5), Draw(top_p=0.6)),
        Draw(temperature=0.8, top_k=12, top_p=0.9),
    ],
)
def test_the_bars_are_the_softmax_of_transformers_under_its_own_settings(
    taught: PolicySource, how: Draw
) -> None:
    warpers = LogitsProcessorList([TemperatureLogitsWarper(how.temperature)])
    if how.top_k:
        warpers.append(TopKLogitsWarper(how.top_k))
    if how.top_p < 1:
        warpers.append(TopPLogitsWarper(how.top_p))
    logits = plain_logits(taught, SO_FAR)
    expected = warpers(torch.tensor([[0]]), logits[None])[0].softmax(-1)  # type: ignore[arg-type]
    [seen] = look([taught], HELLO, SO_FAR, how, WarmPolicy())
    for token, share in shares_of(seen).items():
        assert share == pytest.approx(float(expected[token]), abs=1e-5)
    assert len(seen.bars) == 20
    assert seen.rest.share == pytest.approx(1 - sum(shares_of(seen).values()), abs=1e-5)
    plain = logits.softmax(-1)
    assert [bar.token.id for bar in seen.bars] == plain.topk(20).indices.tolist()
    assert [bar.plain for bar in seen.bars] == pytest.approx(
        plain.topk(20).values.tolist(), abs=1e-5
    )


def test_tokens_are_drawn_as_often_as_the_bars_say(base: PolicySource) -> None:
    warm, times = WarmPolicy(), 400
    looks = [look([base], HELLO, SO_FAR, Draw(seed=n, top_k=3), warm)[0] for n in range(times)]
    for token, share in list(shares_of(looks[0]).items())[:3]:
        drawn = sum(seen.chosen.id == token for seen in looks) / times
        assert drawn == pytest.approx(share, abs=4 * (share * (1 - share) / times) ** 0.5)


def test_the_same_seed_draws_the_same_token(base: PolicySource) -> None:
    first, second = (look([base], HELLO, SO_FAR, Draw(seed=3), WarmPolicy()) for _ in range(2))
    assert first == second


def test_the_divergence_is_the_kl_of_the_two_distributions(
    base: PolicySource, taught: PolicySource
) -> None:
    of_base, of_taught = (plain_logits(each, SO_FAR).log_softmax(-1) for each in (base, taught))
    expected = torch.nn.functional.kl_div(of_base, of_taught, reduction="sum", log_target=True)
    found = look([base, taught, base], HELLO, SO_FAR, Draw(temperature=0.3, top_k=2), WarmPolicy())
    assert expected > 0.01
    divergences = [seen.divergence for seen in found]
    assert divergences == pytest.approx([0.0, float(expected), 0.0], abs=1e-5)


def test_steps_back_and_other_branches_are_read_as_if_anew(
    base: PolicySource, taught: PolicySource
) -> None:
    """What was read before is kept; it must not show."""
    warm = WarmPolicy()
    chains = [[], [5], [5, 6], [5, 6, 7], [5, 9], [5, 9, 9, 9], [], [4], [4, 6, 7]]
    for tokens in chains:
        kept = look([base, taught], HELLO, tokens, Draw(), warm)
        anew = look([base, taught], HELLO, tokens, Draw(), WarmPolicy())
        for one, other in zip(kept, anew, strict=True):
            assert shares_of(one) == pytest.approx(shares_of(other), abs=1e-5)
            assert one.chosen == other.chosen


def test_a_step_reads_one_token(base: PolicySource, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = WarmPolicy()
    look([base], HELLO, SO_FAR, Draw(), warm)
    model = warm.look_into(base.base_model).model
    read: list[int] = []
    model.register_forward_pre_hook(lambda _model, given: read.append(given[0].shape[1]))
    look([base], HELLO, [*SO_FAR, 5], Draw(), warm)
    look([base], HELLO, SO_FAR, Draw(), warm)
    assert read == [1, 1]


def test_a_text_is_gone_on_with_as_it_is(base: PolicySource) -> None:
    model, tokenizer = load_plain_policy(base)
    text = Beginning(user("Once upon"), is_chat=False)
    [seen] = look([base], text, [], Draw(), WarmPolicy())
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer.encode("Once upon")])).logits[0, -1]
    assert [bar.token.id for bar in seen.bars] == logits.topk(20).indices.tolist()


def one_at_a_time(source: PolicySource, length: int, warm: WarmPolicy) -> list[int]:
    tokens: list[int] = []
    while len(tokens) < length:
        [seen] = look([source], HELLO, tokens, Draw(temperature=0), warm)
        tokens.append(seen.chosen.id)
        if seen.chosen.ends:
            break
    return tokens


def all_at_once(source: PolicySource, length: int, warm: WarmPolicy) -> tuple[list[int], int]:
    guess, settled, sweeps = [-1] * length, 0, 0
    while settled < len(guess):
        found = sweep(source, HELLO, guess, settled, warm)
        assert found.settled > settled, "each sweep settles one more"
        guess, settled, sweeps = [token.id for token in found.guess], found.settled, sweeps + 1
    return guess, sweeps


@pytest.mark.parametrize("seed", range(6))
def test_one_at_a_time_and_all_at_once_end_in_the_same_text(
    tiny: Path, tmp_path: Path, seed: int
) -> None:
    source = PolicySource(str(tiny), str(build_tiny_adapter(tiny, tmp_path, seed)))
    warm = WarmPolicy()
    written = one_at_a_time(source, 40, warm)
    guessed, sweeps = all_at_once(source, 40, warm)
    assert guessed == written
    assert sweeps <= len(written)


def test_a_real_tie_is_decided_alike_however_it_was_read(base: PolicySource) -> None:
    """Two tokens with one embedding have equal logits, but for the rounding of each pass."""
    warm = WarmPolicy()
    model = warm.look_into(base.base_model).model
    first = one_at_a_time(base, 1, warm)[0]
    make_twins(model, first)
    noise = torch.Generator().manual_seed(0)
    written = one_at_a_time(base, 24, warm)
    for _ in range(5):
        version, read = Version(base, warm), Version.read
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                Version,
                "read",
                lambda own, *given, read=read: (
                    (logits := read(own, *given))
                    + 1e-6 * logits.abs().max() * torch.randn(logits.shape, generator=noise)
                ),
            )
            assert all_at_once(base, 24, warm)[0] == written
        assert version.base.model is model


def make_twins(model: PreTrainedModel, token: int) -> None:
    """Every second token gets the embedding of the one before it."""
    weights = cast(Tensor, model.lm_head.weight)
    with torch.no_grad():
        weights[4::2] = weights[3:-1:2].clone()
        weights[token - 1 if token % 2 == 0 else token + 1] = weights[token]


@pytest.mark.parametrize("is_merged", [False, True])
def test_every_version_is_read_on_the_one_base_in_memory(
    base: PolicySource, taught: PolicySource, tiny: Path, tmp_path: Path, is_merged: bool
) -> None:
    """Also where the adapter of the version that answers is merged into its weights."""
    warm, other = WarmPolicy(), PolicySource(str(tiny), str(build_tiny_adapter(tiny, tmp_path, 2)))
    model, _ = warm.get(taught if is_merged else base)
    seen = look([base, taught, other], HELLO, SO_FAR, Draw(), warm)
    for source, each in zip([base, taught, other], seen, strict=True):
        expected = plain_logits(source, SO_FAR).softmax(-1)
        assert [bar.plain for bar in each.bars] == pytest.approx(
            expected.topk(20).values.tolist(), abs=1e-5
        )
    assert warm.look_into(base.base_model).model is model


@pytest.mark.parametrize("is_merged", [False, True])
def test_a_policy_that_is_answering_is_the_same_after_a_look(
    base: PolicySource, taught: PolicySource, is_merged: bool
) -> None:
    warm = WarmPolicy()
    model, _ = warm.get(taught if is_merged else base)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        before = model(ids).logits
        look([base, taught], HELLO, [], Draw(), warm)
        assert torch.equal(model(ids).logits, before)


def test_a_base_that_was_looked_into_stays_beside_the_policy_that_answers(
    base: PolicySource, tmp_path: Path
) -> None:
    other, warm = PolicySource(str(build_tiny_model(tmp_path, 1))), WarmPolicy()
    looked_into = warm.look_into(other.base_model)
    warm.get(base)
    assert warm.look_into(other.base_model) is looked_into


def test_a_version_that_cannot_be_loaded_drops_none_that_is(base: PolicySource) -> None:
    warm = WarmPolicy()
    loaded = warm.look_into(base.base_model)
    with pytest.raises(PolicyUnavailable):
        warm.look_into("/nowhere/model")
    assert warm.look_into(base.base_model) is loaded


def test_where_memory_is_short_the_others_make_room(
    base: PolicySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, warm = str(build_tiny_model(tmp_path, 1)), WarmPolicy()
    loaded = warm.look_into(base.base_model)
    tries: list[PolicySource] = []

    def load_when_alone(source: PolicySource) -> Any:
        tries.append(source)
        if len(tries) == 1:
            raise MemoryError
        return load_policy(source)

    monkeypatch.setattr("annotation.lm.warm.load_policy", load_when_alone)
    warm.look_into(other)
    assert len(tries) == 2
    assert warm.look_into(base.base_model) is not loaded


def test_bytes_of_byte_level_tokens_are_those_of_the_text() -> None:
    tokenizer = build_tiny_tokenizer()
    text = "山 是\n\tok"
    ids = tokenizer.encode(text, add_special_tokens=False)
    bytes_of = TokenBytes(tokenizer)
    assert b"".join(map(bytes_of.of, ids)) == text.encode()
    assert bytes_of.of(ids[0]) == "山".encode()[:1]
    assert bytes_of.of(2) == b"<|im_end|>"


def test_what_cannot_be_done_is_said(base: PolicySource) -> None:
    asked = {
        **{"way": "step", "sources": [{"base_model": "/nowhere", "adapter": None}]},
        **{"messages": HELLO.messages, "is_chat": True, "tokens": [], "how": {}},
    }
    assert "/nowhere" in answer(asked, WarmPolicy())["problem"]
    asked |= {"sources": [{"base_model": base.base_model}], "tokens": [5] * 600}
    assert "512 tokens" in answer(asked, WarmPolicy())["problem"]


def test_a_number_that_is_no_token_is_refused_before_the_model_reads_it(
    base: PolicySource,
) -> None:
    with pytest.raises(PolicyUnavailable, match="one here is none of them"):
        look([base], HELLO, [5, 2**31 - 1], Draw(), WarmPolicy())
