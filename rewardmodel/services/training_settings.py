"""What a project's admins may set of a training run, and what the names in it stand for.

They have no shell on this machine. So they set what `Config.FOR_PROJECTS` opens, and choose among
their own texts and reward models by name and number; paths and addresses are the installation's.
"""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from annotation.exchange.jsonl import canonical, holds_half_characters
from annotation.models import PolicyVersion, Project
from rewardmodel.learning.configs import (
    Config,
    LanguageConfig,
    PolicyConfig,
    PretrainingConfig,
    RewardConfig,
    check_overrides,
)
from rewardmodel.models import TrainingRun
from rewardmodel.selectors import own_reward_models, own_texts

Kind = TrainingRun.Kind

STARTS_FROM = "starts_from"
MOST_VERSIONS = 2**31 - 1  # what its column holds

CONFIGS: dict[TrainingRun.Kind, type[Config]] = {
    Kind.TEXT: LanguageConfig,
    Kind.DEMONSTRATIONS: LanguageConfig,
    Kind.REWARD: RewardConfig,
    Kind.POLICY: PolicyConfig,
    Kind.PRETRAINING: PretrainingConfig,
}


def as_run_takes_it(project: Project, kind: str, chosen: Any) -> dict[str, Any]:
    """What the project chose, any JSON, with its own texts and reward models as paths, and without
    the version that the run starts from.

    Raises ValueError with a sentence when it does not fit the kind of run, or is not the project's
    to set.
    """
    if not isinstance(chosen, dict):
        raise ValueError(
            _('Write a JSON object, such as {"learning_rate": 0.0001}, or {} for the defaults.')
        )
    if holds_half_characters(canonical(chosen)):
        raise ValueError(_("It holds half a character (such as \\ud83d): remove it."))
    values = dict(chosen)
    if kind != Kind.REWARD:  # which reads what serves, so that one pass gives reference and reward
        starting_policy(project, values)
        values.pop(STARTS_FROM, None)
    own = {
        name: find(project, values.pop(name))
        for name, find in (OWN if kind == Kind.POLICY else {}).items()
        if name in values
    }
    check_overrides(CONFIGS[Kind(kind)], values)
    return {**values, **own}


def starting_policy(project: Project, chosen: Any) -> PolicyVersion | None:
    """The version that a project's runs of a kind start from, by its number; None: what serves.

    Raises ValueError where the project has no such version.
    """
    number = chosen.get(STARTS_FROM) if isinstance(chosen, dict) else None
    if number is None:
        return None
    is_number = type(number) is int and 0 <= number <= MOST_VERSIONS
    if is_number and project.pk:
        found = project.policyversions.filter(number=number).first()
    else:
        found = None
    if found is None:
        raise ValueError(_("starts_from must be the number of one of this project's policies."))
    return found


def _own_text(project: Project, name: object) -> str:
    texts = {text.name: text for text in own_texts(project)}
    if not isinstance(name, str) or name not in texts:
        raise ValueError(
            _("pretraining_text must name one of this project's texts: %(names)s.")
            % {"names": ", ".join(texts) or _("there are none")}
        )
    return str(texts[name])


def _own_reward_model(project: Project, number: object) -> str:
    folders = {version.number: version.folder for version in own_reward_models(project)}
    if type(number) is not int or number not in folders:
        raise ValueError(
            _("heldout_reward_model must be the number of one of this project's reward models.")
        )
    return str(folders[number])


OWN: dict[str, Callable[[Project, object], str]] = {
    "pretraining_text": _own_text,
    "heldout_reward_model": _own_reward_model,
}
