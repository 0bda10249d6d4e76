"""What webhooks are told of rankings."""

from django.db.models import QuerySet

from annotation.models import Assignment, Ranking, Webhook
from annotation.selectors.exports import native_groups, pseudonym
from annotation.selectors.rankings import current_rankings
from annotation.services.webhooks import tell

Event = Webhook.Event


def tell_of_ranking(ranking: Ranking) -> None:
    """Of the ranking, and of its group where nobody is asked for another one."""
    group, project = ranking.group, ranking.group.project

    def content(webhook: Webhook, rankings: QuerySet[Ranking]) -> dict[str, object]:
        [row] = native_groups(project, rankings, webhook.salt)
        return {"project": project.slug, "id": group.pk, "group": row}

    of_group = current_rankings(project).filter(group=group)
    tell(project.pk, Event.RANKING, lambda each: content(each, of_group.filter(pk=ranking.pk)))
    if not Assignment.objects.filter(group=group, is_done=False).exists():
        tell(project.pk, Event.GROUP, lambda each: content(each, of_group))


def tell_of_undoing(ranking: Ranking) -> None:
    """Of what still holds in its group: null where nobody else ranked it, and nobody before."""
    group, project = ranking.group, ranking.group.project
    holds = current_rankings(project).filter(group=group)

    def content(webhook: Webhook) -> dict[str, object]:
        row = next(native_groups(project, holds, webhook.salt), None)
        labeler = pseudonym(ranking.labeler_id, webhook.salt)
        return {"project": project.slug, "id": group.pk, "labeler": labeler, "group": row}

    tell(project.pk, Event.UNDONE, content)
