"""New tokens a second: this project's sampler against transformers' `generate`.

    python bench/generate.py --model FOLDER [--repeats 3] [--full] [--json]

Same weights, prompts, temperature and machine, in turn; `generate` gets each prompt once, with
num_return_sequences. Tokens after an answer's end do not count. About 5 minutes with the default
model on two cores; --full takes 16 prompts instead of 4.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from transformers import PreTrainedModel

from annotation.generation.chat import Chat, Message
from annotation.generation.policy import PolicySource, load_policy
from annotation.generation.sampler import SamplingParameters, sample_groups, stop_ids
from bench.interleaved import Row, measured, prompt_of, publish


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", required=True, help="folder of a chat model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=4)
    parser.add_argument("--lengths", type=int, nargs="+", default=[110, 700], help="tokens")
    parser.add_argument("--answers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--new-tokens", type=int, default=48)
    parser.add_argument("--full", action="store_true", help="16 prompts")
    parser.add_argument("--json", action="store_true")
    flags = parser.parse_args()
    model, tokenizer = load_policy(PolicySource(flags.model))
    chat, count = Chat(tokenizer), 16 if flags.full else flags.prompts
    rows = []
    for length in flags.lengths:
        prompts = [[_question(chat, length, number)] for number in range(count)]
        for answers in flags.answers:
            row = Row(f"prompt {length}, K {answers}", "new tokens/s", higher_is_better=True)
            for turn in range(-1, flags.repeats):  # the first one warms up
                parameters = SamplingParameters(max_new_tokens=flags.new_tokens)
                with measured() as our_turn:
                    groups = sample_groups(
                        model, tokenizer, prompts, answers, parameters, seed=turn + 1
                    )
                ours = sum(len(answer.token_ids) for group in groups for answer in group)
                with measured() as peer_turn:
                    peer = _generate(model, chat, prompts, answers, flags.new_tokens, turn + 1)
                if turn >= 0:
                    row.ours.append(ours / our_turn.seconds)
                    row.peer.append(peer / peer_turn.seconds)
                    row.peaks.append((our_turn.peak, peer_turn.peak))
            rows.append(row)
    print(f"{count} prompts, {flags.new_tokens} new tokens, {flags.repeats} repeats in turn")
    publish(rows, flags.json)


def _question(chat: Chat, tokens: int, number: int) -> Message:
    def tokens_of(text: str) -> int:
        return len(chat.prompt_ids([{"role": "user", "content": text}]))

    return {"role": "user", "content": prompt_of(tokens_of, tokens, number)}


def _generate(
    model: PreTrainedModel,
    chat: Chat,
    prompts: list[list[Message]],
    answers: int,
    new_tokens: int,
    seed: int,
) -> int:
    """How many tokens `generate` gave up to each answer's end."""
    torch.manual_seed(seed)
    encoded = chat.tokenizer.pad(
        {"input_ids": [chat.prompt_ids(prompt) for prompt in prompts]},
        padding_side="left",
        return_tensors="pt",
    )
    ends = stop_ids(model, chat)
    with torch.inference_mode():
        found = model.generate(  # type: ignore[operator]
            **encoded.to(model.device),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=new_tokens,
            num_return_sequences=answers,
            eos_token_id=ends,
            pad_token_id=chat.pad,
        )[:, encoded["input_ids"].shape[1] :]
    ended = torch.isin(found, torch.tensor(ends, device=found.device)).int()
    return int((ended.cumsum(1) - ended == 0).sum())


if __name__ == "__main__":
    main()
