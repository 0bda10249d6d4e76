"""Tiny tokenizers of the kinds that real models have, with the chat templates that go with them."""

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

CORPUS = ["Hello there, Number One. Yes it is. How are you? Answer: yes ASSISTANT USER INST "] * 4
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}"
)
ZEPHYR = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
VICUNA = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' + message['content'] }}"
    "{% else %}{{ ' ASSISTANT: ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
SPACED = VICUNA.replace("' ASSISTANT:' }}", "' ASSISTANT: ' }}")
TEMPLATES = {"mistral": MISTRAL, "zephyr": ZEPHYR, "vicuna": VICUNA, "spaced": SPACED}


def byte_level() -> PreTrainedTokenizerFast:
    """As GPT-2's: a word's token holds the space before it."""
    return _with_special_tokens(_byte_level())


def with_one_special_token() -> PreTrainedTokenizerFast:
    """As GPT-2's, of which the only special token ends a turn; token 0 is "!", padding is left."""
    raw = _byte_level()
    raw.add_special_tokens([AddedToken("</s>", special=True)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, eos_token="</s>", chat_template=ZEPHYR, padding_side="left"
    )


def prefixing() -> PreTrainedTokenizerFast:
    """As Llama 2's: a space is put before every piece of text between special tokens."""
    raw = _sentencepiece()
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    spaces = [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    raw.decoder = decoders.Sequence(spaces)
    return _with_special_tokens(raw)


def prefixing_first() -> PreTrainedTokenizerFast:
    """As Mistral's: a space is put before the text, but not after special tokens inside it."""
    raw = _sentencepiece()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    raw.decoder = decoders.Metaspace(prepend_scheme="first")
    return _with_special_tokens(raw)


KINDS = {"byte level": byte_level, "prefixing": prefixing, "prefixing first": prefixing_first}


def _byte_level() -> Tokenizer:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    _train(raw, pre_tokenizers.ByteLevel.alphabet())
    return raw


def _sentencepiece() -> Tokenizer:
    characters = sorted({*"".join(CORPUS), *map(chr, range(33, 127)), "\n", "▁"} - {" "})
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    _train(raw, characters)
    raw.pre_tokenizer = None
    return raw


def _train(raw: Tokenizer, alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, vocab_size=400, show_progress=False)
    raw.train_from_iterator(CORPUS, trainer)


def _with_special_tokens(raw: Tokenizer) -> PreTrainedTokenizerFast:
    raw.add_special_tokens([AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        chat_template=ZEPHYR,
    )
