from annotation.exchange.split import prompt_key, split_of
from tests.learning.conftest import user


def test_a_prompt_has_one_key_whatever_else_its_messages_carry() -> None:
    plain = [{"role": "user", "content": "Wie geht's? 你好"}]
    decorated = [{"id": "7", "content": "Wie geht's? 你好", "role": "user"}]
    assert prompt_key(plain) == prompt_key(decorated)


def test_another_role_makes_another_prompt() -> None:
    assert prompt_key([{"role": "system", "content": "Hi"}]) != prompt_key(
        [{"role": "user", "content": "Hi"}]
    )


def test_about_the_asked_share_of_prompts_is_held_out() -> None:
    keys = [prompt_key(user(str(n))) for n in range(2000)]
    heldout = sum(split_of(key, 25) == "heldout" for key in keys)
    assert 430 < heldout < 570


def test_nothing_is_held_out_at_zero_percent() -> None:
    keys = [prompt_key(user(str(n))) for n in range(200)]
    assert {split_of(key, 0) for key in keys} == {"train"}


def test_a_larger_share_only_adds_held_out_prompts() -> None:
    for number in range(200):
        key = prompt_key(user(str(number)))
        assert not (split_of(key, 10) == "heldout" and split_of(key, 30) == "train")
