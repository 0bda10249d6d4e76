"""What a run does: one frozen dataclass a stage, read from config.json and from flags."""

from rewardmodel.learning.configs.base import Config, ConfigError
from rewardmodel.learning.configs.language import LanguageConfig
from rewardmodel.learning.configs.policy import PolicyConfig
from rewardmodel.learning.configs.pretraining import PretrainingConfig
from rewardmodel.learning.configs.reading import (
    AnyConfig,
    changes,
    check_overrides,
    parse_flags,
    read_config,
)
from rewardmodel.learning.configs.reward import RewardConfig

__all__ = [
    "AnyConfig",
    "Config",
    "ConfigError",
    "LanguageConfig",
    "PolicyConfig",
    "PretrainingConfig",
    "RewardConfig",
    "changes",
    "check_overrides",
    "parse_flags",
    "read_config",
]
