from django.contrib import admin
from django.urls import include, path

from annotation.views.session import admin_login

urlpatterns = [
    path("", include("annotation.urls")),
    path("", include("rewardmodel.urls")),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
]
