from django.urls import path
from django.views.generic import RedirectView

from rewardmodel.api import root
from rewardmodel.views import (
    comparisons,
    life,
    loop,
    merged,
    playground,
    pretraining,
    projects,
    runs,
    snapshots,
    versions,
    word_chain,
)

_to_labeling = RedirectView.as_view(url="../settings/#labeling", permanent=True)

urlpatterns = [
    path("api/v1/", root.urls),
    path("api/openapi.json", root.description, name="api_description"),
    path("api/docs/", root.docs, name="api_docs"),
    path("api/docs/<str:name>", root.asset, name="api_asset"),
    path("projects/new/", projects.new, name="project_new"),
    path("projects/<slug:slug>/", loop.project, name="project"),
    path("projects/<slug:slug>/settings/", projects.settings, name="project_settings"),
    path("projects/<slug:slug>/copy/", life.copy, name="project_copy"),
    path("projects/<slug:slug>/archive/", life.archive, name="project_archive"),
    path("projects/<slug:slug>/restore/", life.restore, name="project_restore"),
    path("projects/<slug:slug>/delete/", life.delete, name="project_delete"),
    path("projects/<slug:slug>/desk/", _to_labeling),
    path("projects/<slug:slug>/plots/<slug:name>.csv", loop.live_plot, name="live_plot"),
    path("projects/<slug:slug>/generate/", loop.generate, name="generate"),
    path("projects/<slug:slug>/comparisons/", comparisons.comparisons, name="comparisons"),
    path("projects/<slug:slug>/comparisons/<int:pk>/", comparisons.comparison, name="comparison"),
    path(
        "projects/<slug:slug>/comparisons/<int:pk>/cancel/",
        comparisons.cancel,
        name="comparison_cancel",
    ),
    path("projects/<slug:slug>/comparisons/matrix.csv", comparisons.matrix_csv, name="matrix_csv"),
    path(
        "projects/<slug:slug>/comparisons/<int:pk>/resume/",
        comparisons.go_on,
        name="comparison_resume",
    ),
    path(
        "projects/<slug:slug>/judgings/<int:pk>/cancel/",
        comparisons.judging,
        {"act": "cancel"},
        name="judging_cancel",
    ),
    path(
        "projects/<slug:slug>/judgings/<int:pk>/resume/",
        comparisons.judging,
        {"act": "resume"},
        name="judging_resume",
    ),
    path("projects/<slug:slug>/runs/", runs.runs, name="runs"),
    path("projects/<slug:slug>/runs/compare/", runs.compare, name="runs_compare"),
    path("projects/<slug:slug>/runs/curves.json", runs.curves, name="runs_curves"),
    path("projects/<slug:slug>/runs/curves.csv", runs.curves_csv, name="runs_csv"),
    path("projects/<slug:slug>/runs/start/", loop.start, name="run_start"),
    path("projects/<slug:slug>/runs/<int:pk>/", loop.run, name="run"),
    path("projects/<slug:slug>/runs/<int:pk>/plots/<slug:name>.csv", loop.plot, name="run_plot"),
    path("projects/<slug:slug>/runs/<int:pk>/cancel/", loop.cancel, name="run_cancel"),
    path("projects/<slug:slug>/runs/<int:pk>/go-on/", loop.go_on, name="run_go_on"),
    path("projects/<slug:slug>/pretraining/", pretraining.page, name="pretraining"),
    path(
        "projects/<slug:slug>/pretraining/plots/<slug:name>.csv",
        pretraining.plot,
        name="pretraining_plot",
    ),
    path("projects/<slug:slug>/snapshots/", snapshots.snapshots, name="snapshots"),
    path("projects/<slug:slug>/snapshots/<int:pk>/", snapshots.snapshot, name="snapshot"),
    path("projects/<slug:slug>/snapshots/<int:pk>/file/", snapshots.download, name="snapshot_file"),
    path(
        "projects/<slug:slug>/snapshots/<int:pk>/compare/",
        snapshots.compare,
        name="snapshot_compare",
    ),
    path(
        "projects/<slug:slug>/snapshots/jobs/<int:pk>/cancel/",
        snapshots.cancel,
        name="snapshot_job_cancel",
    ),
    path("projects/<slug:slug>/snapshots/<int:pk>/train/", snapshots.train, name="snapshot_train"),
    path("snapshots/<str:token>/", snapshots.linked, name="snapshot_link"),
    path("projects/<slug:slug>/versions/", versions.versions, name="versions"),
    path(
        "projects/<slug:slug>/versions/plots/<slug:name>.csv",
        versions.family_plot,
        name="family_plot",
    ),
    path(
        "projects/<slug:slug>/versions/<str:kind>/<int:number>/", versions.version, name="version"
    ),
    path(
        "projects/<slug:slug>/versions/<str:kind>/<int:number>/plots/<slug:name>.csv",
        versions.plot,
        name="version_plot",
    ),
    path(
        "projects/<slug:slug>/versions/<str:kind>/<int:number>/archive.tar",
        versions.archive,
        name="version_archive",
    ),
    path(
        "projects/<slug:slug>/versions/<str:kind>/<int:number>/label/",
        versions.label,
        name="version_label",
    ),
    path(
        "projects/<slug:slug>/versions/<str:kind>/<int:number>/reject/",
        versions.reject_version,
        name="version_reject",
    ),
    path("projects/<slug:slug>/versions/policy/<int:number>/merged/", merged.merged, name="merged"),
    path(
        "projects/<slug:slug>/versions/policy/<int:number>/merged/<int:pk>/file/",
        merged.download,
        name="merged_file",
    ),
    path(
        "projects/<slug:slug>/versions/policy/<int:number>/merged/<int:pk>/cancel/",
        merged.cancel,
        name="merged_cancel",
    ),
    path(
        "projects/<slug:slug>/versions/policy/<int:number>/merged/<int:pk>/delete/",
        merged.delete,
        name="merged_delete",
    ),
    path("merged/<str:token>/", merged.linked, name="merged_link"),
    path("projects/<slug:slug>/playground/", playground.page, name="playground"),
    path("projects/<slug:slug>/playground/ask/", playground.ask, name="playground_ask"),
    path("projects/<slug:slug>/playground/keep/", playground.keep, name="playground_keep"),
    path("projects/<slug:slug>/word-chain/", word_chain.page, name="word_chain"),
    path("projects/<slug:slug>/word-chain/ask/", word_chain.ask, name="word_chain_ask"),
    path("projects/<slug:slug>/versions/<str:kind>/<int:pk>/serve/", versions.serve, name="serve"),
]
