"""What somebody said columns mean: for one file, for the next with the same columns, by a name."""

from collections.abc import Iterable
from dataclasses import replace

from django.utils.translation import gettext as _

from annotation.exchange.reading.mapping import Mapping, mapping_of
from annotation.exchange.wording import Unreadable
from annotation.models import Project, PromptUpload, SavedMapping
from annotation.services.imports import MEANWHILE, TO_BE_NAMED, ImportRefused, read_again


def name_columns(upload: PromptUpload, mapping: Mapping, save_as: str = "") -> None:
    """Says what the columns mean, and has the file read again; kept under the name, if there is
    one. Raises ImportRefused."""
    try:
        mapping.check()
    except Unreadable as problem:
        raise ImportRefused(problem.worded(_)) from problem
    read_again(upload, mapping)
    if save_as:
        kept = {"mapping": mapping.as_json()}
        upload.project.saved_mappings.update_or_create(name=save_as, defaults=kept)


def use_saved(upload: PromptUpload, saved: SavedMapping) -> None:
    """Of the file's columns those that it names; the others are not taken. Raises ImportRefused."""
    if upload.status not in TO_BE_NAMED:
        raise ImportRefused(_(MEANWHILE))
    mapping, names = mapping_of(saved.mapping), _columns_of(upload)
    columns = {name: mapping.columns.get(name, "") for name in names}
    name_columns(upload, replace(mapping, columns=columns))


def read_as_recognised(upload: PromptUpload) -> None:
    """Whatever was said of the same columns before. Raises ImportRefused."""
    read_again(upload, Mapping(dict.fromkeys(_columns_of(upload), ""), is_recognised=True))


def delete_saved(project: Project, pk: int) -> None:
    project.saved_mappings.filter(pk=pk).delete()


def _columns_of(upload: PromptUpload) -> Iterable[str]:
    return [name for name, _example in upload.report.get("columns", ())]
