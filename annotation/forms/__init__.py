"""What people type, checked; what becomes of it is decided in views and services."""

from annotation.forms.data import (
    GIVEN_ROLES,
    AddMemberForm,
    ChosenPasswordForm,
    NewLabelerForm,
    PromptsForm,
)
from annotation.forms.desk import (
    FlagForm,
    JudgmentForm,
    ShownAnswer,
    SkipForm,
    WriteForm,
)
from annotation.forms.imports import AddForm, ColumnsForm, ImportForm, SavedForm
from annotation.forms.labeling import LabelingForm
from annotation.forms.prompts import PromptForm
from annotation.forms.said import typed
from annotation.forms.untrusted_json import UntrustedJSONField

__all__ = [
    "GIVEN_ROLES",
    "AddForm",
    "AddMemberForm",
    "ChosenPasswordForm",
    "ColumnsForm",
    "FlagForm",
    "ImportForm",
    "JudgmentForm",
    "LabelingForm",
    "NewLabelerForm",
    "PromptForm",
    "PromptsForm",
    "SavedForm",
    "ShownAnswer",
    "SkipForm",
    "UntrustedJSONField",
    "WriteForm",
    "typed",
]
