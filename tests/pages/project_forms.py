"""What the forms of a project would send as they stand, and where its pages are."""

from django.forms import BaseForm
from django.test import Client
from django.urls import reverse

from annotation.models import Project


def page(project: Project, name: str = "people", *more: object) -> str:
    return reverse(name, args=[project.slug, *more])


def settings_of(browser: Client, project: Project, **changes: object) -> dict[str, object]:
    """What the settings form would send as it stands, with changes."""
    form = browser.get(page(project, "project_settings")).context["form"]
    return {**_as_it_stands(form), **changes}


def new_project(browser: Client, **changes: object) -> dict[str, object]:
    """What the form of a new project would send, with a name, an address, and changes."""
    form = browser.get("/projects/new/").context["form"]
    return {**_as_it_stands(form), "name": "Garden", "slug": "garden", **changes}


def _as_it_stands(form: BaseForm) -> dict[str, object]:
    values = {name: form[name].value() for name in form.fields}
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }
