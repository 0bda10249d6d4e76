"""Django's admin: looking closely, and mending what the pages do not offer."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from annotation.models import (
    Answer,
    Assignment,
    Membership,
    Project,
    Prompt,
    PromptGroup,
    Ranking,
    Snapshot,
    Triple,
    User,
)
from annotation.selectors.projects import administered_projects
from annotation.views.triples import triples_file

MOST_PAGES = 1000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `MOST_PAGES`: a full count of a large table takes seconds."""

    @cached_property
    def count(self) -> int:
        most = self.per_page * MOST_PAGES
        rows = self.object_list
        return rows[:most].count() if isinstance(rows, QuerySet) else min(len(rows), most)


class LargeTableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50


class ReadOnlyAdmin(LargeTableAdmin):
    """What the loop writes: to be looked at, never changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


admin.site.register(User, UserAdmin)
admin.site.site_header = admin.site.site_title = "Laoshi"


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Name and people; the rest stands on the project's own page, which checks it."""

    list_display = ["name", "slug", "is_active", "overlap", "training_threshold"]
    fields = ["name", "slug", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a project starts with an owner and a policy: the page for it sees to that


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    list_display = ["id", "__str__", "project", "language", "split", "last_policy_number"]
    list_filter = ["project", "split"]
    list_select_related = ["project"]


class AnswerInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Answer
    extra = 0
    can_delete = False
    readonly_fields = ["position", "text", "finish_reason", "token_count", "seed"]
    fields = tuple(readonly_fields)


@admin.register(PromptGroup)
class PromptGroupAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "prompt", "policy", "status", "attempts", "created_at"]
    list_filter = ["project", "status"]
    list_select_related = ["project", "prompt", "policy"]
    inlines = [AnswerInline]


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    list_display = ["id", "__str__", "group", "position", "policy", "finish_reason", "token_count"]
    list_filter = ["finish_reason"]
    list_select_related = ["group", "policy"]
    search_fields = ["text"]


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "group", "number", "labeler", "expires_at", "is_done"]
    list_filter = ["project", "is_done"]
    list_select_related = ["project", "group", "labeler"]


@admin.register(Ranking)
class RankingAdmin(ReadOnlyAdmin):
    list_display = ["id", "group", "labeler", "ranks", "seconds", "is_current", "created_at"]
    list_filter = ["is_current", ("labeler", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["group", "labeler"]
    search_fields = ["comment"]


@admin.register(Triple)
class TripleAdmin(ReadOnlyAdmin):
    """Staff see and take out the triples of the projects that they run; superusers all."""

    list_display = ["id", "project", "question", "answer", "score", "labeler", "policy", "split"]
    list_filter = [
        "project",
        "ranking__group__prompt__split",
        "ranking__created_at",
    ]
    list_select_related = [
        "project",
        "ranking__group__prompt",
        "answer__policy",
        "demonstration",
        "ranking__labeler",
    ]
    search_fields = ["answer__text", "demonstration__text", "ranking__labeler__username"]
    actions = ["download_as_csv", "download_as_jsonl"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Triple]:
        triples = Triple.objects.filter(ranking__is_current=True)
        user = request.user
        if isinstance(user, User) and not user.is_superuser:
            triples = triples.filter(project__in=administered_projects(user))
        return triples

    @admin.display(description=_("question"))
    def question(self, triple: Triple) -> str:
        return str(triple.ranking.group.prompt)

    @admin.display(description=_("labeler"))
    def labeler(self, triple: Triple) -> str:
        return triple.ranking.labeler.username

    @admin.display(description=_("policy"))
    def policy(self, triple: Triple) -> int | None:
        return triple.policy_number

    @admin.display(description=_("split"))
    def split(self, triple: Triple) -> str:
        return str(triple.ranking.group.prompt.get_split_display())

    @admin.action(description=_("download as CSV"), permissions=["view"])
    def download_as_csv(
        self, request: HttpRequest, chosen: QuerySet[Triple]
    ) -> StreamingHttpResponse:
        return self._download(chosen, "csv")

    @admin.action(description=_("download as JSONL"), permissions=["view"])
    def download_as_jsonl(
        self, request: HttpRequest, chosen: QuerySet[Triple]
    ) -> StreamingHttpResponse:
        return self._download(chosen, "jsonl")

    def _download(self, chosen: QuerySet[Triple], form: str) -> StreamingHttpResponse:
        return triples_file(chosen.select_related(*self.list_select_related), form, "laoshi")


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "kind", "rows", "rankings", "sha256", "created_at"]
    list_filter = ["project", "kind"]
    list_select_related = ["project"]
