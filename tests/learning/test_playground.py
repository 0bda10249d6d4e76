"""What the playground writes is what the queue's sampler would have written."""

from itertools import pairwise
from pathlib import Path

import pytest

from annotation.lm.asked import answer, asked_next
from annotation.lm.loading import PolicySource, PolicyUnavailable, load_policy
from annotation.lm.playground import Written, write
from annotation.lm.sampler import SamplingParameters, sample_with_seeds
from annotation.lm.warm import WarmPolicy
from tests.learning.conftest import user
from tests.tiny import build_tiny_adapter

HELLO = user("台湾最高的山是哪座山？")
HOW = SamplingParameters(max_new_tokens=40, temperature=0.9, top_p=0.95)


@pytest.fixture(scope="session")
def taught(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicySource:
    folder = tmp_path_factory.mktemp("taught")
    return PolicySource(str(tiny), str(build_tiny_adapter(tiny, folder, seed=3)))


def written_in_moments(
    source: PolicySource, how: SamplingParameters, seed: int, warm: WarmPolicy, moment: float = 0.0
) -> list[Written]:
    moments = [write(source, HELLO, [], how, warm, seed=seed, moment=moment)]
    while not moments[-1].finish_reason:
        tokens = moments[-1].tokens
        moments.append(write(source, HELLO, tokens, how, warm, seed=seed, moment=moment))
    return moments


@pytest.mark.parametrize(
    "how",
    [
        HOW,
        SamplingParameters(max_new_tokens=40, temperature=0),
        SamplingParameters(max_new_tokens=40, top_k=7),
    ],
)
@pytest.mark.parametrize("seed", [1, 2, 2**31 - 1])
def test_an_answer_is_the_sampler_s_for_its_seed_however_often_it_was_interrupted(
    taught: PolicySource, how: SamplingParameters, seed: int
) -> None:
    model, tokenizer = load_policy(taught)
    [[expected]] = sample_with_seeds(model, tokenizer, [HELLO], [[seed]], how)
    *_earlier, last = written_in_moments(taught, how, seed, WarmPolicy())
    assert tuple(last.tokens) == expected.token_ids
    assert last.text == expected.text
    assert last.finish_reason == expected.finish_reason


def test_each_moment_goes_on_where_the_last_one_ended(taught: PolicySource) -> None:
    moments = written_in_moments(taught, HOW, 1, WarmPolicy())
    assert [len(each.tokens) for each in moments] == list(range(1, len(moments) + 1))
    for one, other in pairwise(moments):
        assert other.tokens[:-1] == one.tokens


def test_a_moment_reads_each_token_once(taught: PolicySource) -> None:
    warm, read = WarmPolicy(), []
    first = write(taught, HELLO, [], HOW, warm, seed=1, of="a", moment=0)
    model = warm.look_into(taught.base_model).model
    model.register_forward_pre_hook(lambda _model, given: read.append(given[0].shape[1]))
    for place in ("b", "a"):  # another answer to the same question does not disturb
        tokens = first.tokens if place == "a" else []
        write(taught, HELLO, tokens, HOW, warm, seed=1, of=place, moment=0)
    assert read[-1] == 1


def test_what_is_shown_on_the_way_ends_with_a_whole_character(taught: PolicySource) -> None:
    """The tiny model's tokens are bytes, of which many are no whole character."""
    for each in written_in_moments(taught, HOW, 5, WarmPolicy())[:-1]:
        assert not each.text.endswith("\ufffd")


def test_a_conversation_that_leaves_no_room_is_refused_with_a_sentence(
    taught: PolicySource,
) -> None:
    how = SamplingParameters(max_new_tokens=500)
    with pytest.raises(PolicyUnavailable, match="Begin a new one, or ask for a shorter answer"):
        write(taught, user("very " * 20), [], how, WarmPolicy(), seed=1)


def test_what_is_asked_next_goes_on_from_what_was_written(taught: PolicySource) -> None:
    question = {
        **{"way": "write", "sources": [vars(taught)], "messages": HELLO, "tokens": []},
        **{"how": {"max_new_tokens": 300}, "seed": 1, "of": "a"},
    }
    said = answer(question, WarmPolicy())
    assert said["finish_reason"] in ("", "stop")
    if not said["finish_reason"]:
        following = asked_next(question, said)
        assert following == {**question, "tokens": said["tokens"]}
    assert asked_next(question, {**said, "finish_reason": "stop"}) is None
    assert asked_next(question, {"problem": "There is no model."}) is None
