from annotation.forms.data import (
    GIVEN_ROLES,
    AddMemberForm,
    NewLabelerForm,
    PromptsForm,
)
from annotation.forms.desk import (
    DeskSettingsForm,
    FlagForm,
    JudgmentForm,
    ShownAnswer,
    SkipForm,
    WriteForm,
    typed,
)

__all__ = [
    "GIVEN_ROLES",
    "AddMemberForm",
    "DeskSettingsForm",
    "FlagForm",
    "JudgmentForm",
    "NewLabelerForm",
    "PromptsForm",
    "ShownAnswer",
    "SkipForm",
    "WriteForm",
    "typed",
]
