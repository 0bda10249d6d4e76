"""Our exports through the loaders of those that they are for, and back through our reader.

    python -m bench.real_loaders write FOLDER     # a file of each format
    python -m bench.real_loaders datasets FOLDER  # `datasets.load_dataset` of each
    python -m bench.real_loaders trl FOLDER       # one step of each trainer
    python -m bench.real_loaders back FOLDER      # each as our own reader understands it

The others need an environment of their own, in which this file runs by itself; torch, transformers
and datasets may come from ours, by PYTHONPATH:

    pip install argilla argilla-server requests
    python bench/real_loaders.py argilla FOLDER
    pip install --no-deps llamafactory av pillow omegaconf
    DISABLE_VERSION_CHECK=1 python bench/real_loaders.py llamafactory FOLDER
    pip install --no-deps openrlhf pylatexenc
    python bench/real_loaders.py openrlhf FOLDER
    pip install label-studio; label-studio start --username U --password P --port 8765
    python bench/real_loaders.py label_studio FOLDER http://localhost:8765 U P

`argilla` and `label_studio` write what the tool gives out again into the folder: `back` reads it.
"""

import importlib.machinery
import json
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write(folder: Path) -> None:
    from annotation.exchange.writing.formats import FORMATS

    folder.mkdir(parents=True, exist_ok=True)
    rows = {"groups": list(groups()), "triples": list(triples())}
    rows["prompts"] = [{"prompt": group["prompt"]} for group in rows["groups"]]
    rows["demonstrations"] = [
        {"messages": [*group["prompt"], {"role": "assistant", "content": "As I would say it."}]}
        for group in rows["groups"]
    ]
    for made in FORMATS.values():
        path = folder / f"{made.name}.{made.container.extension}"
        with path.open("wb") as file:
            source = rows[made.source]
            made.container.write((out for row in source for out in made.rows(row)), file)
        print(f"{path.name}: {path.stat().st_size} bytes")


def groups() -> Iterator[dict[str, Any]]:
    """Two to four answers; ties, two labelers, a part of an order; system, turns, Chinese."""
    from tests.annotation.test_writing_formats import SYSTEM, group, ranking

    ask = {"role": "user", "content": "为什么天是蓝的？\n\n=1+1"}
    before = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi!"}]
    said = [
        group(ranking("labeler-000000000001", 1, 2)),
        group(ranking("labeler-000000000001", 3, 1, 2), ranking("labeler-000000000002", 1, 2, 2)),
        group(ranking("labeler-000000000002", 2, 1, 3), prompt=[SYSTEM, ask]),
        group(ranking("labeler-000000000001", 1, 3, 2), prompt=[*before, ask]),
        group(ranking("labeler-000000000002", 1, 2, 2, none_acceptable=True)),
        group({**ranking("labeler-000000000001", 1, 2, 3), "ranks": [1, None, 2]}),
    ]
    for number, each in enumerate(said, start=1):
        last = {**each["prompt"][-1], "content": f"{number}. {each['prompt'][-1]['content']}"}
        yield {**each, "id": f"group-{number}", "prompt": [*each["prompt"][:-1], last]}


def triples() -> Iterator[dict[str, Any]]:
    from annotation.exchange.triples import FIELDS, question_text
    from annotation.judgment.scores import scores_from_ranks

    for group in groups():
        for said in group["rankings"]:
            if None in said["ranks"]:
                continue
            scores = scores_from_ranks(said["ranks"])
            for text, rank, score in zip(group["answers"], said["ranks"], scores, strict=True):
                yield {
                    **dict.fromkeys(FIELDS, ""),
                    "question": question_text(group["prompt"]),
                    "messages": group["prompt"],
                    "answer": text,
                    "score": score,
                    "rank": rank,
                    "quality": None,
                    "none_acceptable": said["none_acceptable"],
                    "labeler": said["labeler"],
                    "group": int(group["id"].rpartition("-")[2]),
                    "policy": 2,
                }


def datasets(folder: Path) -> None:
    from datasets import load_dataset

    kinds = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
    for path in sorted(folder.iterdir()):
        if kind := kinds.get(path.suffix):
            loaded = load_dataset(
                kind, data_files=str(path), split="train", cache_dir=str(folder / "cache")
            )
            print(f"{path.name}: {len(loaded)} rows, {', '.join(loaded.column_names)}")


def trl(folder: Path) -> None:
    """One step of each trainer on a model of two layers."""
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.experimental.kto import KTOConfig, KTOTrainer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from tests.tiny import build_tiny_model

    tiny = str(build_tiny_model(folder / "tiny"))
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    trainers: tuple[tuple[Any, Any, str], ...] = (
        (RewardConfig, RewardTrainer, "trl_preference.jsonl"),
        (RewardConfig, RewardTrainer, "openrlhf.jsonl"),
        (RewardConfig, RewardTrainer, "ultrafeedback.jsonl"),
        (DPOConfig, DPOTrainer, "trl_preference.parquet"),
        (KTOConfig, KTOTrainer, "trl_unpaired.jsonl"),
        (SFTConfig, SFTTrainer, "sft.jsonl"),
    )
    for config, trainer, name in trainers:
        path = next(folder.glob(name.replace(".parquet", "*.parquet")))
        kind = "parquet" if path.suffix == ".parquet" else "json"
        rows = load_dataset(
            kind, data_files=str(path), split="train", cache_dir=str(folder / "cache")
        )
        if name == "ultrafeedback.jsonl":  # the alignment handbook leaves its prompt out, too
            rows = rows.select_columns(["chosen", "rejected"])
        args = config(
            output_dir=str(folder / "run"),
            max_steps=1,
            per_device_train_batch_size=2,
            report_to=[],
            use_cpu=True,
            bf16=False,
        )
        made = trainer(model=tiny, args=args, train_dataset=rows, processing_class=tokenizer)
        print(f"{path.name}: {trainer.__name__}, loss {made.train().training_loss:.3f}")


def llamafactory(folder: Path) -> None:
    """Unpacked into its `data` folder, through its parser, loader, converter and processor."""
    # Imported by name; only sounds would be read with it.
    audio = types.ModuleType("torchaudio")
    audio.__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    import transformers  # noqa: F401 (looks for it first)

    sys.modules["torchaudio"] = audio
    from llamafactory.data.loader import _get_dataset_processor, _load_single_dataset
    from llamafactory.data.parser import get_dataset_list
    from llamafactory.data.template import get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import AutoTokenizer, Seq2SeqTrainingArguments

    unpacked = folder / "llamafactory"
    with zipfile.ZipFile(folder / "llamafactory.zip") as archive:
        archive.extractall(unpacked)
        written = len(json.loads(archive.read("laoshi.json")))
    model = ModelArguments(model_name_or_path=str(folder / "tiny"))
    data = DataArguments(dataset="laoshi", dataset_dir=str(unpacked), template="qwen")
    training = Seq2SeqTrainingArguments(output_dir=str(folder / "run"), use_cpu=True)
    [attributes] = get_dataset_list(["laoshi"], str(unpacked))
    rows = _load_single_dataset(attributes, model, data, training)
    tokenizer = AutoTokenizer.from_pretrained(str(folder / "tiny"))
    template = get_template_and_fix_tokenizer(tokenizer, data)
    processor = _get_dataset_processor(data, "rm", template, tokenizer, None)
    pairs = processor.preprocess_dataset(rows.to_dict())
    print(f"llamafactory.zip: {written} rows written, {len(rows)} loaded,")
    print(f"    {len(pairs['chosen_input_ids'])} pairs for its reward model")


def openrlhf(folder: Path) -> None:
    from datasets import load_dataset
    from openrlhf.datasets.reward_dataset import RewardDataset
    from transformers import AutoTokenizer

    rows = load_dataset(
        "json",
        data_files=str(folder / "openrlhf.jsonl"),
        split="train",
        cache_dir=str(folder / "cache"),
    )
    tokenizer = AutoTokenizer.from_pretrained(str(folder / "tiny"))
    data = types.SimpleNamespace(
        prompt_key=None, chosen_key="chosen", rejected_key="rejected", apply_chat_template=True
    )
    strategy = types.SimpleNamespace(
        args=types.SimpleNamespace(data=data, **vars(data)), print=print, is_rank_0=lambda: True
    )
    pairs = RewardDataset(rows, tokenizer, 512, strategy)
    better, worse = (tokenizer.decode(part[0]) for part in pairs[0][:3:2])
    print(f"openrlhf.jsonl: {len(rows)} rows, {len(pairs)} pairs; the first: {better!r}, {worse!r}")


def argilla(folder: Path) -> None:
    """Its records from JSON, judged by its server's rules for them, and written again."""
    from argilla.records._io._json import JsonIO
    from argilla_server.api.schemas.v1.questions import RankingQuestionSettings
    from argilla_server.api.schemas.v1.responses import RankingQuestionResponseValueItem
    from argilla_server.validators.response_values import RankingQuestionResponseValueValidator

    path = folder / "argilla.json"
    records = JsonIO._records_from_json(path)
    written, count = len(json.loads(path.read_text())), 0
    for record in records:
        names = [name for name in record.fields.to_dict() if name.startswith("response")]
        options = [{"value": name, "text": name, "description": None} for name in names]
        settings = RankingQuestionSettings(type="ranking", options=options)
        for response in record.responses:
            items = [
                RankingQuestionResponseValueItem(value=name, rank=rank)
                for rank, name in enumerate(response.value, start=1)
            ]
            RankingQuestionResponseValueValidator(items).validate_for(settings, "submitted")
            count += 1
    JsonIO.to_json(records, fresh(folder / "argilla.back.json"))
    print(f"argilla.json: {written} written, {len(records)} records, {count} rankings")


def label_studio(folder: Path, address: str, user: str, password: str) -> None:
    """A project with its Ranker; the file imported, and its export taken."""
    import httpx

    config = (
        '<View><Text name="prompt" value="$prompt"/><List name="answers" value="$items"/>'
        '<Ranker name="rank" toName="answers"/></View>'
    )
    with httpx.Client(base_url=address, headers={"Referer": address}, timeout=60) as client:
        client.get("/user/login/")
        form = {"email": user, "password": password}
        form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
        client.post("/user/login/", data=form)
        client.headers["X-CSRFToken"] = client.cookies["csrftoken"]
        project = client.post("/api/projects/", json={"label_config": config}).json()["id"]
        tasks = (folder / "label_studio.json").read_bytes()
        kind = {"Content-Type": "application/json"}
        told = client.post(f"/api/projects/{project}/import", content=tasks, headers=kind).json()
        print(f"label_studio.json: {told['task_count']} tasks, {told['prediction_count']} rankings")
        # Its plain export has the numbers of predictions only.
        options = {"serialization_options": {"predictions": {"only_id": False}}}
        taken = client.post(f"/api/projects/{project}/exports/", json=options).json()["id"]
        back = client.get(f"/api/projects/{project}/exports/{taken}/download?exportType=JSON")
        fresh(folder / "label_studio.back.json").write_bytes(back.content)


def fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def back(folder: Path) -> None:
    """The strict orders in each file, as our reader understands it, beside those in the groups."""
    from annotation.exchange.reading.datasets import parts_of

    expected = orders_in(folder / "groups.jsonl")
    for path in sorted(folder.iterdir()):
        if path.suffix in (".jsonl", ".json", ".csv", ".parquet", ".zip") and path.is_file():
            if path.suffix == ".zip":
                path = parts_of(folder / path.stem)[0].file
            found = orders_in(path)
            same = sum(found.get(key) == said for key, said in expected.items())
            print(f"{path.name}: {len(found)} groups, {same} of {len(expected)} as they were")


def orders_in(path: Path) -> dict[str, Any]:
    """Of each question: who said what, as better and worse answers."""
    from annotation.exchange.reading.folding import fold
    from annotation.exchange.reading.reading import look_at

    found = look_at(path)
    items: dict[str, list[Any]] = {}
    for row in found.container.rows():
        for item in found.items(row):
            if item.messages:
                items.setdefault(item.messages[-1]["content"].split(". ")[0][-1:], []).append(
                    (row.place, item)
                )
    return {key: said_of(fold(each)[0]) for key, each in items.items()}


def said_of(folded: list[Any]) -> list[Any]:
    return sorted(
        sorted(
            (group.candidates[a].text, group.candidates[b].text, said.ranks[a] == said.ranks[b])
            for a in range(len(said.ranks))
            for b in range(len(said.ranks))
            if a != b
            and said.ranks[a] <= said.ranks[b]
            and (said.compared is None or (min(a, b), max(a, b)) in set(map(tuple, said.compared)))
        )
        for group in folded
        for said in group.judgments
    )


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
