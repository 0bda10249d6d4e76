"""Answers from an OpenAI-compatible server, such as vLLM: the rollouts of a policy update.

A project's queue is answered by the sampler next door, on the worker's own machine.
Prompts go as token ids to `/v1/completions`, one request an answer with its own seed, many at a
time. Adapters are loaded and named as vLLM does it (`/v1/load_lora_adapter`); the server must see
this machine's folders for that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from annotation.exchange.wording import gettext_noop
from annotation.lm.chat import Chat, Messages
from annotation.lm.completion import Completion
from annotation.lm.openai_server import OpenAIServer
from annotation.lm.sampler import SamplingParameters

# What is left out, vLLM takes from the model's generation_config.json: then the answers would not
# come from the distribution whose probabilities the trainer computes.
PLAIN_SAMPLING = {
    "min_p": 0.0,
    **{"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0},
}

REQUESTS_AT_A_TIME = 32
NO_COMPLETION = gettext_noop("The model server at {url} answered something else than a completion.")
NO_TOKEN = gettext_noop("The model server at {url} gave an answer of no token.")


class RolloutServer(OpenAIServer):
    """`model` names what answers: the base model, or an adapter that was loaded."""

    def sample(
        self,
        chat: Chat,
        prompts: Sequence[Messages],
        seeds: Sequence[Sequence[int]],
        parameters: SamplingParameters,
        stops: Sequence[int],
        limit: int | None = None,
    ) -> list[list[Completion]]:
        """One answer to `prompts[i]`, of which the last `limit` tokens are sent, for each of
        `seeds[i]`; `stops` end an answer."""
        asked = [(prompt, seed) for prompt, s in zip(prompts, seeds, strict=True) for seed in s]
        with ThreadPoolExecutor(REQUESTS_AT_A_TIME) as pool:
            found = pool.map(
                lambda one: self._answer(chat, one[0], one[1], parameters, stops, limit), asked
            )
            answers = iter(list(found))
        return [[next(answers) for _ in group] for group in seeds]

    def load_adapter(self, name: str, folder: Path) -> None:
        """Lets `name` stand for the base model with the adapter in `folder`."""
        values = {"lora_name": name, "lora_path": str(folder.absolute())}
        self.post("/load_lora_adapter", values)

    def unload_adapter(self, name: str) -> None:
        self.post("/unload_lora_adapter", {"lora_name": name})

    def _answer(
        self,
        chat: Chat,
        prompt: Messages,
        seed: int,
        parameters: SamplingParameters,
        stops: Sequence[int],
        limit: int | None,
    ) -> Completion:
        body = {
            "model": self.model,
            "prompt": chat.prompt_ids(prompt, limit),
            "max_tokens": parameters.max_new_tokens,
            "temperature": parameters.temperature,
            "top_p": parameters.top_p,
            **PLAIN_SAMPLING,
            "top_k": parameters.top_k or -1,
            "seed": seed,
            "stop_token_ids": list(stops),
            "return_token_ids": True,
        }
        reply = self.post("/completions", body)
        try:
            answer = json.loads(reply)["choices"][0]
            text, stopped = str(answer["text"]), answer["finish_reason"] == "stop"
            ids = answer.get("token_ids")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise self.unavailable(NO_COMPLETION) from error
        if ids is None:
            ids = chat.group_ids(prompt, [text])[1][0][:-1]
        ids = [int(token) for token in ids]
        if stopped and (not ids or ids[-1] not in stops):
            ids.append(chat.end_of_turn)
        if not ids:
            raise self.unavailable(NO_TOKEN)
        spoken = chat.answer_text(ids[:-1] if stopped else ids)
        return Completion(spoken, tuple(ids), "stop" if stopped else "length", seed)
