from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from annotation.views import (
    flags,
    groups,
    home,
    mine,
    people,
    prompts,
    ranking,
    session,
    triples,
    write,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", session.Login.as_view(), name="login"),
    path("password/", session.Password.as_view(), name="password"),
    path("admin/login/", session.admin_login),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("logout/", session.Logout.as_view(), name="logout"),
    path("theme/", session.set_theme, name="theme"),
    path("language/", login_not_required(set_language), name="language"),
    path("projects/<slug:slug>/rank/", ranking.rank, name="rank"),
    path("projects/<slug:slug>/rank/give-back/", ranking.give_back, name="give_back"),
    path("projects/<slug:slug>/rank/skip/", ranking.skip, name="skip"),
    path("projects/<slug:slug>/rank/flag/", ranking.flag, name="flag"),
    path("projects/<slug:slug>/rank/draft/", ranking.draft, name="draft"),
    path("projects/<slug:slug>/rank/ahead/", ranking.ahead, name="ahead"),
    path("projects/<slug:slug>/rank/undo/", ranking.undo, name="undo"),
    path("projects/<slug:slug>/mine/", mine.mine, name="mine"),
    path("projects/<slug:slug>/mine/<int:pk>/", mine.revise, name="revise"),
    path("projects/<slug:slug>/write/", write.write, name="write"),
    path("projects/<slug:slug>/write/<int:pk>/", write.rewrite, name="rewrite"),
    path("projects/<slug:slug>/write/draft/", write.draft, name="write_draft"),
    path("projects/<slug:slug>/flags/", flags.flags, name="flags"),
    path("projects/<slug:slug>/skips/", flags.skips, name="skips"),
    path("projects/<slug:slug>/prompts/", prompts.prompts, name="prompts"),
    path(
        "projects/<slug:slug>/prompts/uploads/<int:pk>/cancel/",
        prompts.cancel_upload,
        name="upload_cancel",
    ),
    path("projects/<slug:slug>/groups/", groups.groups, name="groups"),
    path("projects/<slug:slug>/groups/retry/", groups.retry, name="groups_retry"),
    path("projects/<slug:slug>/groups/<int:pk>/", groups.group, name="group"),
    path("projects/<slug:slug>/triples/", triples.triples, name="triples"),
    path("projects/<slug:slug>/triples/download.<str:form>", triples.download, name="triples_file"),
    path("projects/<slug:slug>/people/", people.people, name="people"),
    path("projects/<slug:slug>/people/<int:pk>/", people.member, name="member"),
    path("projects/<slug:slug>/people/<int:pk>/remove/", people.remove, name="member_remove"),
]
