"""RL with a look at every step: the study's own GRPO, whose model is thrown away at the end."""

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from workflow_scripts.model.device import prepare_torch
from workflow_scripts.operate.demo_view import BLOCK, Progress
from workflow_scripts.settings.rl import RlSettings
from workflow_scripts.train.grpo import RlInputs, make_trainer
from workflow_scripts.train.rollout_log import RolloutLog


def measure(log: RolloutLog, first: int, last: int) -> tuple[float, float]:
    """Of the rollouts of the steps first to last: the share that fits, and the mean reward."""
    n = fitting = correct = 0
    for (step, *_, labelled), counts in log.cells.items():
        if first <= step <= last:
            n += counts[0]
            fitting += counts[0] * labelled.fits
            correct += counts[1]
    return fitting / n, correct / n


class _Watch(TrainerCallback):
    """Calls a function after each step, with the means since the block of steps began."""

    def __init__(self, log: RolloutLog, show: Callable[[Progress], None]) -> None:
        self.log, self.show = log, show

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Measure and show."""
        step = state.global_step
        share, reward = measure(self.log, step - (step - 1) % BLOCK, step)
        seconds = (time.monotonic() - self.started) / step
        self.show(Progress(step, state.max_steps, share, reward, seconds))


def train_live(
    settings: RlSettings, seed: int, inputs: RlInputs, show: Callable[[Progress], None]
) -> None:
    """Train with GRPO, and call show after each step. Writes no file."""
    prepare_torch(settings.model)
    log = RolloutLog()
    trainer = make_trainer(settings, seed, inputs, log, inputs.prompts.parent)
    trainer.add_callback(_Watch(log, show))
    trainer.train()
