"""A run of several processes whose main one waits for another, which fails."""

import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a file, as the training scripts are
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from rewardmodel.learning.configs import RewardConfig
from rewardmodel.learning.core.distributed import Processes
from rewardmodel.learning.core.run_folder import RunFolder, TrainingFailure
from rewardmodel.learning.core.script import run_script


def train(config: RewardConfig, run: RunFolder) -> None:
    accelerator = Processes()
    if not accelerator.is_main_process:
        raise TrainingFailure("The second process has no disk.")
    accelerator.wait_for_everyone()


if __name__ == "__main__":
    sys.exit(run_script(RewardConfig, train, sys.argv[1:]))
