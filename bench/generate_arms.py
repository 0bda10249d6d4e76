"""One sampling for bench/generate.py, in a process of its own: `laoshi` or `generate`."""

import json
import sys
import time
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a file: make the repository importable
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from transformers import PreTrainedModel

from annotation.lm.chat import Chat, Message
from annotation.lm.loading import PolicySource, load_plain_policy, load_policy
from annotation.lm.sampler import SamplingParameters, sample_groups, stop_ids
from bench.comparison import finish_device, peak_memory, prompts_of

WARMING_TOKENS = 4


def sampled(
    model: PreTrainedModel, chat: Chat, prompts: list[list[Message]], task: dict[str, Any], new: int
) -> int:
    """How many tokens this project's sampler gave."""
    parameters = SamplingParameters(max_new_tokens=new)
    groups = sample_groups(
        model, chat.tokenizer, prompts, task["answers"], parameters, seed=task["seed"]
    )
    return sum(len(answer.token_ids) for group in groups for answer in group)


def generated(
    model: PreTrainedModel, chat: Chat, prompts: list[list[Message]], task: dict[str, Any], new: int
) -> int:
    """How many tokens `generate` gave up to each answer's end."""
    torch.manual_seed(task["seed"])
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
            max_new_tokens=new,
            num_return_sequences=task["answers"],
            eos_token_id=ends,
            pad_token_id=chat.pad,
        )[:, encoded["input_ids"].shape[1] :]
    ended = torch.isin(found, torch.tensor(ends, device=found.device)).int()
    return int((ended.cumsum(1) - ended == 0).sum())


def main() -> None:
    task = json.loads(sys.argv[1])
    arms = {"laoshi": (load_policy, sampled), "generate": (load_plain_policy, generated)}
    load, run = arms[task["arm"]]
    model, tokenizer = load(PolicySource(task["model"]))
    chat = Chat(tokenizer)
    prompts = prompts_of(chat, task["length"], task["prompts"])
    run(model, chat, prompts[:1], task, WARMING_TOKENS)
    with peak_memory() as peak:
        finish_device()
        began = time.perf_counter()
        tokens = run(model, chat, prompts, task, task["new_tokens"])
        finish_device()
        seconds = time.perf_counter() - began
    found = {"tokens": tokens, "seconds": seconds, "rate": tokens / seconds}
    print(json.dumps({**found, "peak_bytes": peak.bytes}))


if __name__ == "__main__":
    main()
