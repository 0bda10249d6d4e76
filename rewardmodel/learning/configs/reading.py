"""A configuration out of flags and a run folder's config.json, each value checked."""

from __future__ import annotations

import argparse
import ast
import inspect
import itertools
import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from rewardmodel.learning.configs.base import Config, ConfigError

AnyConfig = TypeVar("AnyConfig", bound=Config)


def parse_flags(kind: type[Config], arguments: Sequence[str]) -> argparse.Namespace:
    """`run_folder`, `stop_with_parent` and every field of `kind`, None where not given.

    Without --run-folder it lies beside the output, and its config.json is not read: the flags are
    all. argparse ends the process on a bad flag.
    """
    parser = argparse.ArgumentParser(description=kind.__doc__, allow_abbrev=False)
    parser.add_argument("--run-folder", type=Path, help="where progress and checkpoints go")
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="end when standard input ends"
    )
    hints, meanings = get_type_hints(kind), _meanings(kind)
    for field in fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        given = "" if field.default in (MISSING, None, "") else f" (default: {field.default})"
        least, most = kind.RANGES.get(field.name, (None, None))
        given += "" if least is None else f" [{least} to {most}]"
        help_text = (meanings[field.name] + given).replace("%", "%%")
        if hints[field.name] is bool:
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag, action=action, default=None, help=help_text)
        else:
            parser.add_argument(flag, type=_plain_type(hints[field.name]), help=help_text)
    flags = parser.parse_args(arguments)
    if flags.run_folder is None and flags.output is None:
        parser.error("give --run-folder, or --output and the other fields")
    flags.reads_file = flags.run_folder is not None
    if flags.run_folder is None:
        flags.run_folder = Path(f"{flags.output}.run")
    return flags


def read_config(kind: type[AnyConfig], flags: argparse.Namespace) -> AnyConfig:
    """Flags win over a named RUN_FOLDER/config.json, which wins over the defaults.

    Raises ConfigError.
    """
    values = _read_file(flags.run_folder) if flags.reads_file else {}
    given = {field.name: getattr(flags, field.name) for field in fields(kind)}
    config = _build(kind, {**values, **{k: v for k, v in given.items() if v is not None}})
    config.require_inputs()
    return config


def changes(config: Config, run_folder: Path) -> list[str]:
    """Where `config` is other than RUN_FOLDER/config.json, by which what lies there was made."""
    now = asdict(config)
    return [
        f"{name} was {before!r} and is now {now[name]!r}"
        for name, before in _read_file(run_folder).items()
        if name in now and now[name] != before
    ]


def _plain_type(hint: Any) -> Any:
    """What turns a flag's text into a value of the hint, None apart."""
    plain = get_args(hint)[0] if isinstance(hint, UnionType) else hint
    return _json if get_origin(plain) is dict else plain


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {text}") from error


def _meanings(kind: type[Config]) -> dict[str, str]:
    """What the sources say below each field of `kind` and of its base, for --help."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        body = ast.parse(inspect.getsource(each)).body[0]
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, text in itertools.pairwise(lines):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                found[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


def _read_file(run_folder: Path) -> dict[str, Any]:
    path = run_folder / "config.json"
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error.msg}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a JSON object.")
    return values


def _build(kind: type[AnyConfig], values: dict[str, Any]) -> AnyConfig:
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(f"Unknown field {', '.join(unknown)}.")
    missing = [
        name for name, field in known.items() if field.default is MISSING and name not in values
    ]
    if missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(f"Missing: {flags}.")
    for name, hint in get_type_hints(kind).items():
        if name in values and not _fits(values[name], hint):
            raise ConfigError(f"{name} is {values[name]!r:.100}; it must be of type {hint}.")
    return kind(**values)


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if get_origin(hint) is dict:
        name, each = get_args(hint)
        return isinstance(value, dict) and all(
            _fits(key, name) and _fits(item, each) for key, item in value.items()
        )
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def check_overrides(kind: type[Config], values: dict[str, Any]) -> None:
    """Raises ConfigError unless `values` are fields of `kind` that a project may set."""
    closed = sorted({field.name for field in fields(kind)} - kind.FOR_PROJECTS)
    given = ", ".join(name for name in closed if name in values)
    if given:
        raise ConfigError(f"{given} cannot be set here: it is given by each run or installation.")
    required = {field.name: "" for field in fields(kind) if field.default is MISSING}
    _build(kind, {**required, **values})
