"""The rules that keep the folders apart, read from the code itself."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finders

from config import limits
from config.env import BASE_FOLDER

WITHOUT_DJANGO = (
    *("annotation.exchange", "annotation.judgment", "annotation.lm", "annotation.markdown"),
    "rewardmodel.learning",
)
OF_THE_WEB = ("django", "celery", "django_celery_beat", "django_filters", "django_htmx", "csp")
HEAVY = {"torch", "transformers", "peft", "accelerate"}


def module_of(file: Path) -> str:
    name = ".".join(file.relative_to(BASE_FOLDER).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {
    module_of(file): file
    for folder in ("annotation", "rewardmodel", "config")
    for file in (BASE_FOLDER / folder).rglob("*.py")
    if "migrations" not in file.parts
}


def imports_of(module: str) -> set[str]:
    """The modules that it imports, at its start or later."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports from where it lies"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) or {str(node.module)}
    return found


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports_in(*packages: str) -> Iterator[tuple[str, str]]:
    """(module, what it imports) for every module of the packages."""
    for module in sorted(MODULES):
        if is_in(module, packages):
            yield from ((module, imported) for imported in sorted(imports_of(module)))


def room_of(module: str) -> str:
    """Its folder; what lies directly in an application or in `learning` is a room of its own."""
    folder = module.rpartition(".")[0]
    is_folder = MODULES[module].name == "__init__.py"
    with_rooms = {"annotation", "rewardmodel", "rewardmodel.learning"}
    return module if is_folder or folder in with_rooms else folder


def test_annotation_never_imports_rewardmodel() -> None:
    found = list(imports_in("annotation"))
    assert ("annotation.services.groups", "annotation.selectors.groups") in found
    assert [one for one in found if is_in(one[1], ("rewardmodel",))] == []


def test_the_folders_without_django_import_neither_it_nor_what_needs_it() -> None:
    found = list(imports_in(*WITHOUT_DJANGO))
    ours = ("annotation", "rewardmodel", "config")
    assert [one for one in found if is_in(one[1], OF_THE_WEB)] == []
    assert [one for one in found if is_in(one[1], ours) and not is_in(one[1], WITHOUT_DJANGO)] == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, imported in imports_in("annotation", "rewardmodel", "config"):
        if imported in MODULES and room_of(imported) != room_of(module):
            rooms.setdefault(room_of(module), set()).add(room_of(imported))
    order = list(TopologicalSorter(rooms).static_order())  # raises CycleError, which names them
    assert {"annotation.models", "rewardmodel.learning.core", "config"} <= set(order)


def test_only_services_lock_rows() -> None:
    locking = {
        module for module, file in MODULES.items() if "select_for_update(" in file.read_text()
    }
    assert "annotation.services.assignments" in locking
    assert {one for one in locking if not re.match(r"\w+\.services\.", one)} == set()


def test_workers_are_called_after_a_commit_in_one_way() -> None:
    calling = {module for module, file in MODULES.items() if "robust=True" in file.read_text()}
    assert calling == {"annotation.services.calling"}


def test_models_reads_and_writes_know_no_http() -> None:
    rooms = [
        f"{application}.{room}"
        for application in ("annotation", "rewardmodel")
        for room in ("models", "selectors", "services")
    ]
    http = ("django.http", "django.shortcuts", "django.urls")
    assert [one for one in imports_in(*rooms) if is_in(one[1], http)] == []


@pytest.mark.parametrize(
    "start",
    [
        "import config.wsgi, config.urls",
        "from config.celery import app; app.loader.import_default_modules()",
    ],
    ids=["web", "beat"],
)
def test_web_and_beat_start_without_torch(start: str) -> None:
    command = [sys.executable, "-c", f"import sys; {start}; print(*sys.modules)"]
    done = subprocess.run(command, cwd=BASE_FOLDER, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "annotation.services.generation" in loaded
    assert loaded & HEAVY == set()


def test_no_model_is_loaded_without_saying_that_its_own_code_is_not_trusted() -> None:
    loads = [
        (module, ast.unparse(node.func), {word.arg: word.value for word in node.keywords})
        for module, file in MODULES.items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")
    ]
    assert "annotation.lm.loading" in {module for module, _what, _words in loads}
    silent = [
        (module, what)
        for module, what, words in loads
        if what != "PeftModel.from_pretrained"  # an adapter has no code
        and ast.unparse(words.get("trust_remote_code", ast.Constant(None))) != "False"
    ]
    assert silent == []


def test_no_static_file_is_larger_than_what_is_kept_for_a_client_that_does_not_read() -> None:
    """A thread would wait for each such client, and anybody may ask for a static file."""
    sizes = {
        path: storage.size(path) for finder in get_finders() for path, storage in finder.list([])
    }
    assert len(sizes) > 20
    assert {path: size for path, size in sizes.items() if size > limits.UNSENT} == {}
