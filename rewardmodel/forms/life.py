"""Copying and deleting a project; what a version is called."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.forms import typed
from annotation.models import PolicyVersion, Project
from rewardmodel.forms.project import NewProjectForm


class CopyForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name and address of the copy, and what comes along beside settings and people."""

    with_prompts = forms.BooleanField(
        label=_("With its prompts"),
        required=False,
        initial=True,
        help_text=_("Held-out ones stay held out."),
    )

    class Meta:
        model = Project
        fields = ["name", "slug"]
        help_texts = {"slug": NewProjectForm.Meta.help_texts["slug"]}

    clean_slug = NewProjectForm.clean_slug


class DeleteForm(forms.Form):
    name = forms.CharField(label=_("The project's name"), max_length=100)

    def __init__(self, project: Project, data: Any = None) -> None:
        super().__init__(data)
        self.project = project
        self.fields["name"].widget.attrs["autocomplete"] = "off"

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name != self.project.name.strip():
            raise forms.ValidationError(_("This is not the project's name."))
        return name


class LabelForm(forms.Form):
    label = forms.CharField(
        max_length=PolicyVersion._meta.get_field("label").max_length, required=False
    )

    def clean_label(self) -> str:
        return typed(str(self.cleaned_data["label"]))
