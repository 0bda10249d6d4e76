"""What admins set of a project, checked; what becomes of it is decided in services."""

from rewardmodel.forms.life import CopyForm, DeleteForm, LabelForm
from rewardmodel.forms.project import NewProjectForm, ProjectForm

__all__ = ["CopyForm", "DeleteForm", "LabelForm", "NewProjectForm", "ProjectForm"]
