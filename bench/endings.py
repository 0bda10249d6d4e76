"""Which answers end by themselves, by system prompt and limit: `python bench/endings.py --model M`.

The model answers some of the demo project's own prompts under each wording, once, at the longest
limit: an answer depends only on its prompt and its seed, so a shorter limit gives the beginnings of
the same answers. Every cell of the table is the share of answers that end within the limit, and
their mean length in tokens; each language of the prompts has its row.
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.exchange.prompts import parse_prompts
from annotation.lm.chat import Message, with_system
from annotation.lm.completion import Completion
from annotation.lm.loading import PolicySource, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups
from bench.comparison import ROOT, machine

WORDINGS = (
    "",
    "Answer in at most 30 words.",
    "Answer in at most 15 words.",
    "Answer in one or two short sentences.",
    "Be brief: say only what matters most, in a few words, then stop.",
)
LIMITS = (64, 96, 128, 160, 200, 256)


def demo_prompts(count: int) -> tuple[list[list[Message]], list[str]]:
    """So many, evenly spread over the file, and the language of each."""
    with (ROOT / "annotation" / "demo" / "prompts.jsonl").open(encoding="utf-8") as lines:
        prompts = list(parse_prompts(lines))
    chosen = [prompts[len(prompts) * number // count] for number in range(count)]
    messages = [
        [Message(role=turn["role"], content=turn["content"]) for turn in prompt.messages]
        for prompt in chosen
    ]
    return messages, [prompt.language for prompt in chosen]


def answered(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[list[Message]],
    wording: str,
    options: argparse.Namespace,
) -> list[list[Completion]]:
    """The answers to each prompt under that wording, at the longest limit."""
    asked = [with_system(prompt, wording) for prompt in prompts]
    parameters = SamplingParameters(max_new_tokens=max(LIMITS), temperature=options.temperature)
    return sample_groups(model, tokenizer, asked, options.answers, parameters, options.seed)


def within(answers: list[Completion], limit: int) -> tuple[float, float]:
    """The share that ends within the limit, and the mean tokens with it."""
    lengths = [len(answer.token_ids) for answer in answers]
    ended = [
        answer.has_ended and length <= limit
        for answer, length in zip(answers, lengths, strict=True)
    ]
    return sum(ended) / len(ended), sum(min(length, limit) for length in lengths) / len(lengths)


def main() -> None:
    parser = argparse.ArgumentParser(description="Which answers end by themselves.")
    parser.add_argument("--model", required=True, help="folder or hub name")
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--answers", type=int, default=4, help="to each prompt")
    parser.add_argument("--temperature", type=float, default=0.7, help="the demo project's")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model, tokenizer = load_policy(PolicySource(options.model))
    prompts, languages = demo_prompts(options.prompts)
    print(f"# {machine()}; {options.prompts} prompts, {options.answers} answers each")
    print("| system prompt | |", *(f"{limit} |" for limit in LIMITS))
    print("|---|---|" + "---|" * len(LIMITS), flush=True)
    began = time.monotonic()
    for wording in WORDINGS:
        by_language: dict[str, list[Completion]] = defaultdict(list)
        groups = answered(model, tokenizer, prompts, wording, options)
        for language, group in zip(languages, groups, strict=True):
            by_language[language] += group
        for language, answers in by_language.items():
            cells = [within(answers, limit) for limit in LIMITS]
            row = " | ".join(f"{share:.0%}, {tokens:.0f}" for share, tokens in cells)
            print(f"| {wording or 'none'} | {language}, {len(answers)} | {row} |", flush=True)
    print(f"# {time.monotonic() - began:.0f} seconds")


if __name__ == "__main__":
    main()
