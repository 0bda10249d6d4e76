"""Which long uploads are at work, and what is shown of them."""

from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db.models import Min, Q, QuerySet, TextChoices
from django.utils.translation import gettext_lazy as _

from annotation.models import (
    Demonstration,
    Project,
    Prompt,
    PromptGroup,
    PromptUpload,
    Ranking,
    Snapshot,
)
from annotation.selectors.claims import run_out
from annotation.selectors.projects import at_work

SHOWN = 5


class Built(TextChoices):
    RANKINGS = "rankings", _("people have ranked answers to its questions")
    ANSWERS = "answers", _("people have written answers to its questions")
    COMPARISONS = "comparisons", _("versions were compared by its questions")
    IMPORTS = "imports", _("another import has answers to its questions")
    SNAPSHOTS = "snapshots", _("a training has read it")


def free_uploads() -> QuerySet[PromptUpload]:
    """At work, but in nobody's hands: between two turns, or left by a worker that died. Those of
    archived projects wait."""
    unclaimed, projects = Q(claim__isnull=True), at_work(Project.objects.all())
    active = PromptUpload.objects.filter(project__in=projects, status__in=PromptUpload.ACTIVE)
    return active.filter(unclaimed | run_out())


def uploads_of(project: Project) -> list[PromptUpload]:
    """Those of prompts alone, the newest first."""
    return list(project.uploads.filter(with_preview=False)[:SHOWN])


def text_folder(project: Project) -> Path:
    """Where raw text for the project is put."""
    folder: Path = settings.VAR_FOLDER / "texts" / project.slug
    return folder


def imported_text(upload: PromptUpload) -> Path:
    """Where the raw text of an import is put."""
    return text_folder(upload.project) / f"import-{upload.pk}.jsonl"


def imports_of(project: Project) -> list[PromptUpload]:
    """Uploads with a preview, the newest first."""
    return list(project.uploads.filter(with_preview=True)[:SHOWN])


def built_on(upload: PromptUpload) -> list[Built]:
    """What came of an import since, for which it cannot be undone."""
    prompts = Prompt.objects.filter(upload=upload)
    groups = PromptGroup.objects.filter(Q(upload=upload) | Q(prompt__in=prompts))
    rankings = Ranking.objects.filter(group__in=groups)
    first = rankings.filter(group__upload=upload).aggregate(Min("id"))["id__min"]
    since = prompts.aggregate(Min("created_at"))["created_at__min"]
    snapshots = upload.project.snapshots.filter(is_imported=False)
    frozen = Q(pk__in=[])
    if first is not None:
        frozen |= Q(kind=Snapshot.Kind.GROUPS, last_ranking_id__gte=first)
    if since is not None:
        frozen |= Q(kind=Snapshot.Kind.PROMPTS, created_at__gte=since)
    shown = upload.demonstrations.aggregate(Min("created_at"))["created_at__min"]
    if shown is not None:
        frozen |= Q(kind=Snapshot.Kind.DEMONSTRATIONS, created_at__gte=shown)
    if (text := imported_text(upload)).exists():
        put = datetime.fromtimestamp(text.stat().st_mtime, UTC)
        frozen |= Q(kind=Snapshot.Kind.TEXT, created_at__gte=put)
    written = Demonstration.objects.filter(prompt__in=prompts).exclude(upload=upload)
    found = {
        Built.RANKINGS: rankings.filter(labeler__is_foreign=False),
        Built.ANSWERS: written,
        Built.COMPARISONS: groups.filter(comparison__isnull=False),
        Built.IMPORTS: groups.filter(upload__isnull=False).exclude(upload=upload),
        Built.SNAPSHOTS: snapshots.filter(frozen),
    }
    return [built for built, rows in found.items() if rows.exists()]
