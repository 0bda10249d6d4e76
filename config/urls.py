from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("annotation.urls")),
    path("", include("rewardmodel.urls")),
    path("admin/", admin.site.urls),
]
handler500 = "annotation.views.errors.server_error"
