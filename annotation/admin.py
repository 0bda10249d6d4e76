"""Django's admin: looking closely, and mending what the pages do not offer."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
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
from annotation.selectors.projects import administered_projects, may_reset_password
from annotation.views.triples import triples_file

MOST_PAGES = 1000


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than `MOST_PAGES`: a full count of a large table takes seconds."""

    @cached_property
    def count(self) -> int:
        most = self.per_page * MOST_PAGES
        rows = self.object_list
        return rows[:most].count() if isinstance(rows, QuerySet) else min(len(rows), most)


class ProjectRowsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Staff see the rows of the projects that they run; superusers all."""

    project_field = "project"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        user = cast(User, request.user)
        if user.is_superuser:
            return rows
        return rows.filter(**{f"{self.project_field}__in": administered_projects(user)})


class ReadOnlyAdmin(ProjectRowsAdmin):
    """What the loop writes: to be looked at, never changed by hand."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


admin.site.site_header = admin.site.site_title = "Laoshi"

OF_PROJECT = ("project", admin.RelatedOnlyFieldListFilter)


class OneTimePasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Whoever gets a password from somebody else chooses one when they log in with it."""

    def save(self, commit: bool = True) -> User:
        self.user.must_change_password = True
        return cast(User, super().save(commit))


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]
    """Staff see who takes part in the projects that they run, and give nobody more rights."""

    change_password_form = OneTimePasswordForm
    rights = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request).filter(is_foreign=False)
        user = cast(User, request.user)
        if user.is_superuser:
            return people
        members = Membership.objects.filter(project__in=administered_projects(user))
        return people.filter(Q(pk=user.pk) | Q(pk__in=members.values("user")))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if cast(User, request.user).is_superuser else (*fields, *self.rights)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_change_permission(request, obj)
        return may and (obj is None or may_reset_password(cast(User, request.user), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return may and (obj is None or may_reset_password(cast(User, request.user), obj))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        obj.must_change_password |= not change
        super().save_model(request, obj, form, change)

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002 (Django's name)
        form_url: str = "",
    ) -> HttpResponse:
        """One's own is changed on the page for that."""
        if id == str(request.user.pk):
            return redirect("password")
        return super().user_change_password(request, id, form_url)


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Membership
    autocomplete_fields = ["user"]
    extra = 0


@admin.register(Project)
class ProjectAdmin(ProjectRowsAdmin):
    """Name and people; the rest stands on the project's own page, which checks it."""

    project_field = "pk"
    list_display = ["name", "slug", "is_active", "overlap", "training_threshold"]
    fields = ["name", "slug", "is_active"]
    list_filter = ["is_active"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_archived = isinstance(obj, Project) and obj.archived_at is not None
        return not is_archived and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its files go with it: its owner's page sees to that

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # a project starts with an owner and a policy: the page for it sees to that


@admin.register(Prompt)
class PromptAdmin(ReadOnlyAdmin):
    list_display = ["id", "__str__", "project", "language", "split", "last_policy_number"]
    list_filter = [OF_PROJECT, "split"]
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
    list_filter = [OF_PROJECT, "status"]
    list_select_related = ["project", "prompt", "policy"]
    inlines = [AnswerInline]


@admin.register(Answer)
class AnswerAdmin(ReadOnlyAdmin):
    project_field = "group__project"
    list_display = ["id", "__str__", "group", "position", "policy", "finish_reason", "token_count"]
    list_filter = ["finish_reason"]
    list_select_related = ["group", "policy"]
    search_fields = ["text"]


@admin.register(Assignment)
class AssignmentAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "group", "number", "labeler", "expires_at", "is_done"]
    list_filter = [OF_PROJECT, "is_done"]
    list_select_related = ["project", "group", "labeler"]


@admin.register(Ranking)
class RankingAdmin(ReadOnlyAdmin):
    project_field = "group__project"
    list_display = ["id", "group", "labeler", "ranks", "seconds", "is_current", "created_at"]
    list_filter = ["is_current", ("labeler", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["group", "labeler"]
    search_fields = ["comment"]


@admin.register(Triple)
class TripleAdmin(ReadOnlyAdmin):
    list_display = ["id", "project", "question", "answer", "score", "labeler", "policy", "split"]
    list_filter = [
        OF_PROJECT,
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
        return super().get_queryset(request).filter(ranking__is_current=True)

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
    list_filter = [OF_PROJECT, "kind"]
    list_select_related = ["project"]
