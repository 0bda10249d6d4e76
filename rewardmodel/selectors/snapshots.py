"""What snapshots can be trained on, and what was."""

from django.db.models import QuerySet

from annotation.models import Project, Snapshot
from rewardmodel.models import TrainingRun
from rewardmodel.selectors.due import learns_from_rankings
from rewardmodel.selectors.runs import runs_of

Kind = TrainingRun.Kind


def kinds_reading(project: Project, snapshot: Snapshot) -> list[TrainingRun.Kind]:
    """The trainings that such a snapshot can be given to. A policy's reads groups where it learns
    straight from rankings, else prompts, which groups have, too."""
    if snapshot.kind == Snapshot.Kind.DEMONSTRATIONS:
        return [Kind.DEMONSTRATIONS]
    if snapshot.kind == Snapshot.Kind.GROUPS:
        return [Kind.REWARD, Kind.POLICY]
    reads_prompts = snapshot.kind == Snapshot.Kind.PROMPTS and not learns_from_rankings(project)
    return [Kind.POLICY] if reads_prompts else []


def trained_on(snapshot: Snapshot) -> QuerySet[TrainingRun]:
    """The runs that read these bytes, the newest first, each with what it made."""
    same = runs_of(snapshot.project).filter(snapshot__sha256=snapshot.sha256)
    return same.filter(snapshot__kind=snapshot.kind)
