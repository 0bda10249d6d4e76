from django.urls import path
from django.views.generic import RedirectView

from rewardmodel.views import loop, projects, versions, word_chain

_to_labeling = RedirectView.as_view(url="../settings/#labeling", permanent=True)

urlpatterns = [
    path("projects/new/", projects.new, name="project_new"),
    path("projects/<slug:slug>/", loop.project, name="project"),
    path("projects/<slug:slug>/settings/", projects.settings, name="project_settings"),
    path("projects/<slug:slug>/desk/", _to_labeling),
    path("projects/<slug:slug>/generate/", loop.generate, name="generate"),
    path("projects/<slug:slug>/runs/start/", loop.start, name="run_start"),
    path("projects/<slug:slug>/runs/<int:pk>/", loop.run, name="run"),
    path("projects/<slug:slug>/runs/<int:pk>/cancel/", loop.cancel, name="run_cancel"),
    path("projects/<slug:slug>/versions/", versions.versions, name="versions"),
    path("projects/<slug:slug>/word-chain/", word_chain.page, name="word_chain"),
    path("projects/<slug:slug>/word-chain/ask/", word_chain.ask, name="word_chain_ask"),
    path("projects/<slug:slug>/versions/<str:kind>/<int:pk>/serve/", versions.serve, name="serve"),
]
