import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_type_hints

import pytest

from rewardmodel.learning.configs import (
    Config,
    ConfigError,
    LanguageConfig,
    PolicyConfig,
    RewardConfig,
    changes,
    check_overrides,
    parse_flags,
    read_config,
)

REQUIRED = ["--snapshot", "s.jsonl", "--base-model", "m", "--output", "o"]


def read(*flags: str, kind: type[Config] = RewardConfig) -> Config:
    return read_config(kind, parse_flags(kind, flags))


def folder_with(tmp_path: Path, **values: object) -> str:
    required = {"snapshot": "s.jsonl", "base_model": "m", "output": "o"}
    (tmp_path / "config.json").write_text(json.dumps({**required, **values}))
    return str(tmp_path)


def test_flags_alone_make_a_configuration() -> None:
    config = read(*REQUIRED, "--learning-rate", "3e-4", "--full")
    assert config == RewardConfig(
        snapshot="s.jsonl", base_model="m", output="o", learning_rate=3e-4, full=True
    )


def test_the_run_folder_lies_beside_the_output_unless_named() -> None:
    assert parse_flags(RewardConfig, REQUIRED).run_folder == Path("o.run")


def test_a_run_folder_alone_makes_a_configuration(tmp_path: Path) -> None:
    config = read("--run-folder", folder_with(tmp_path, seed=7))
    assert config.seed == 7


def test_a_flag_wins_over_the_file(tmp_path: Path) -> None:
    assert read("--run-folder", folder_with(tmp_path, seed=7), "--seed", "9").seed == 9


def test_what_changed_since_a_folder_was_worked_in_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, seed=7, lora_rank=8)
    flags = ("--run-folder", folder, "--seed", "9", "--snapshot", "t.jsonl", "--lora-rank", "8")
    assert changes(read(*flags), tmp_path) == [
        "snapshot was 's.jsonl' and is now 't.jsonl'",
        "seed was 7 and is now 9",
    ]


def test_what_a_folders_configuration_leaves_open_may_be_said(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, learning_rate=1)
    flags = ("--run-folder", folder, "--seed", "9", "--learning-rate", "1.0")
    assert changes(read(*flags), tmp_path) == []


def test_an_unknown_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown field learing_rate"):
        read("--run-folder", folder_with(tmp_path, learing_rate=1.0))


def test_missing_fields_are_named_as_flags() -> None:
    with pytest.raises(ConfigError, match="Missing: --reward-model"):
        read(*REQUIRED, kind=PolicyConfig)


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed is '7'"):
        read("--run-folder", folder_with(tmp_path, seed="7"))


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--tokens-per-batch", "0"], "tokens_per_batch"),
        (["--heldout-percent", "100"], "heldout_percent"),
        (["--minimum-steps", "0"], "minimum_steps"),
        (["--label-smoothing", "1"], "label_smoothing"),
        (["--rating-margin", "-1"], "rating_margin"),
        (["--labeler-weights", '{"one": -1}'], "labeler_weights"),
        (["--labeler-weights", '{"one": "much"}'], "labeler_weights"),
    ],
)
def test_a_value_without_sense_is_named(flags: list[str], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        read(*REQUIRED, *flags)


def test_weights_of_labelers_are_json_as_a_flag_and_as_a_field(tmp_path: Path) -> None:
    flag = read(*REQUIRED, "--labeler-weights", '{"one": 0.5, "two": 2}')
    file = read("--run-folder", folder_with(tmp_path, labeler_weights={"one": 0.5, "two": 2}))
    assert flag == file
    assert isinstance(flag, RewardConfig)
    assert flag.labeler_weights == {"one": 0.5, "two": 2}


def test_weights_that_are_not_json_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read(*REQUIRED, "--labeler-weights", "one=1")
    assert "argument --labeler-weights: not JSON: one=1" in capsys.readouterr().err


def test_help_says_what_a_flag_means_and_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help", kind=LanguageConfig)
    said = " ".join(capsys.readouterr().out.split())
    assert "--vocabulary VOCABULARY Tokens of the tokenizer that a model from scratch" in said
    assert "--seed SEED Of initial weights, order and sampling. (default: 0)" in said
    assert "from scratch gradients are small" in said  # the stage's own word, not the base's


def test_without_a_named_folder_the_flags_are_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o.run").mkdir()
    folder_with(tmp_path / "o.run", seed=7)
    assert read(*REQUIRED).seed == 0


def test_neither_run_folder_nor_output_is_a_usage_error() -> None:
    with pytest.raises(SystemExit):
        parse_flags(RewardConfig, ["--snapshot", "s.jsonl"])


CONFIGS = (LanguageConfig, RewardConfig, PolicyConfig)
WORDS = {"algorithm", "credit", "method", "preference_loss", "preset", "text_column"}
"""Texts that a project may set: each a word that names no place."""


def test_a_project_may_set_what_is_opened_to_it_and_nothing_beside_it() -> None:
    opened = {"learning_rate": 1e-4, "steps": 5, "preset": "mini"}
    check_overrides(LanguageConfig, opened)
    with pytest.raises(ConfigError, match="output"):
        check_overrides(LanguageConfig, {**opened, "output": "elsewhere"})


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_project_may_set_numbers_switches_and_words_but_no_path_and_no_address(
    kind: type[Config],
) -> None:
    plain = {name for name, hint in get_type_hints(kind).items() if hint not in (str, str | None)}
    names = {field.name for field in fields(kind)}
    assert kind.FOR_PROJECTS - names == set()
    assert names - kind.FOR_PROJECTS <= names - plain | {"merge"}
    assert kind.FOR_PROJECTS - plain <= WORDS


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, field.name)
        for kind in CONFIGS
        for field in fields(kind)
        if field.name not in kind.FOR_PROJECTS
    ],
)
def test_every_other_field_is_refused_with_its_name(kind: type[Config], name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} cannot be set here"):
        check_overrides(kind, {name: "/etc/passwd"})


def test_a_new_field_is_closed_to_projects_until_it_is_opened() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Newer(RewardConfig):
        more_text: str = ""

    with pytest.raises(ConfigError, match="more_text cannot be set"):
        check_overrides(Newer, {"more_text": "/etc/passwd"})


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--seed", "-1"),
        ("--seed", "4294967296"),
        ("--learning-rate", "nan"),
        ("--learning-rate", "-1"),
        ("--gradient-clip", "0"),
        ("--adam-epsilon", "0"),
        ("--final-learning-rate", "2"),
        ("--beta", "-0.1"),
        ("--kl-budget", "nan"),
        ("--missing-end-penalty", "-1"),
    ],
)
def test_a_value_that_would_teach_nothing_or_the_wrong_thing_is_refused(
    flag: str, value: str
) -> None:
    name = flag.removeprefix("--").replace("-", "_")
    with pytest.raises(ConfigError, match=name):
        read(*REQUIRED, "--reward-model", "r", flag, value, kind=PolicyConfig)
