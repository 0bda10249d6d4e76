"""What `manage.py evaluate` refuses at once, before a model is loaded or looked for elsewhere."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


def refused(folder: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as problem:
        call_command("evaluate", folder, "--set", "set.jsonl", *arguments, stdout=StringIO())
    return str(problem.value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tokens-per-batch", "0"], "tokens_per_batch is 0; give 1 to 10000000."),
        (["--heldout-percent", "-3"], "heldout_percent is -3; give 0 to 99."),
        (["--heldout-percent", "100"], "heldout_percent is 100; give 0 to 99."),
    ],
)
def test_numbers_keep_to_the_ranges_of_the_training(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    assert refused(str(tmp_path), *arguments) == sentence


@pytest.mark.parametrize(
    "name", ["/nowhere/model", "./model", "../model", "~/model", "a/b/model", "model/"]
)
def test_a_path_without_a_folder_is_not_looked_for_on_the_hub(name: str) -> None:
    assert refused(name) == f"There is no model folder at {name}."


def test_a_file_that_cannot_be_written_is_said_before_anything_is_scored(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "figures.json"
    said = refused(str(tmp_path), "--json", str(target))
    assert said == f"{target} cannot be written: No such file or directory."
