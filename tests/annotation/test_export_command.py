import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Project, PromptGroup, User
from tests.annotation.desk import rank


def test_the_command_writes_what_the_page_would(
    project: Project, group: PromptGroup, labeler: User, tmp_path: Path
) -> None:
    rank(project, labeler)
    file = tmp_path / "pairs.jsonl"
    call_command("export", "kitchen", str(file), format="trl_preference")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 3
    assert rows[0]["chosen"] == [{"role": "assistant", "content": "Answer **0** in full."}]


def test_a_file_that_cannot_be_written_is_named(project: Project, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export", "kitchen", str(tmp_path / "no" / "folder.jsonl"))
