"""Compare the time of rollouts and RL steps of this project with that of unmodified TRL.

    python -m workflow_scripts.cost.benchmark PLAN

Both trainers use the same model, prompts and settings, in one process. The comparison is made
twice: with an SFT model, as at the beginning of RL, and with the model after RL. Unmodified TRL
samples with transformers' generate, and computes each update on all completions of a step. This
project's trainer has its own sampling, and leaves out completions without a gradient.
"""

import time
from pathlib import Path
from statistics import median
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer

from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.settings.rl import RlSettings
from workflow_scripts.train.grpo import OWN, Implementation, RlInputs, make_trainer
from workflow_scripts.train.rollout_log import RolloutLog

WARM_UP, MEASURED = 1, 5  # RL steps
TRL = Implementation(GRPOTrainer, own_rollouts=False)


class StepTimes(TrainerCallback):
    """Measures the duration of each step in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Record the start time of a step."""
        self.started = time.perf_counter()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Record the duration of the step."""
        self.seconds.append(time.perf_counter() - self.started)


def time_trainer(
    implementation: Implementation, settings: RlSettings, inputs: RlInputs, output: Path
) -> tuple[float, float]:
    """Median seconds of the rollouts of an RL step, and of the whole step, after the warm-up."""
    rl = settings.rl.model_copy(update={"steps": WARM_UP + MEASURED})
    settings = settings.model_copy(update={"rl": rl})
    trainer = make_trainer(settings, 0, inputs, RolloutLog(), output, implementation)
    steps = StepTimes()
    rollouts: list[float] = []
    trainer.add_callback(steps)
    generate = trainer._generate

    def timed(prompts: list[Any]) -> Any:
        started = time.perf_counter()
        result = generate(prompts)
        rollouts.append(time.perf_counter() - started)
        return result

    trainer._generate = timed  # type: ignore[method-assign]
    trainer.train()
    return median(rollouts[WARM_UP:]), median(steps.seconds[WARM_UP:])


def compare(settings: RlSettings, sft: Path, rl: Path, prompts: Path, output: Path) -> str:
    """A Markdown table of the seconds of both trainers, and their ratio (TRL / this project)."""
    prepare_torch(settings.model)
    lines = [
        f"{rl.parent.name}: {settings.rl.batch_size} completions of up to "
        f"{settings.rl.max_new_tokens} tokens, {settings.model.threads} thread(s), seconds, median "
        f"of {MEASURED} steps",
        "",
        "| | TRL as it comes | here | ratio |",
        "|---|--:|--:|--:|",
    ]
    for stage, model in (("SFT", sft), ("RL", rl)):
        inputs = RlInputs(model, prompts)
        plain = time_trainer(TRL, settings, inputs, output.parent)
        ours = time_trainer(OWN, settings, inputs, output.parent)
        for name, theirs, mine in zip(("rollouts", "whole RL step"), plain, ours, strict=True):
            ratio = f"{theirs / mine:.1f}"
            lines.append(f"| {name}, after {stage} | {theirs:.2f} | {mine:.2f} | {ratio} |")
    return "\n".join(lines) + "\n"


def write_benchmark(settings: RlSettings, sft: Path, rl: Path, prompts: Path, output: Path) -> None:
    """Write and print the comparison; see compare."""
    text = compare(settings, sft, rl, prompts, output)
    write_text(output, text)
    print(text)


if __name__ == "__main__":
    run_stage(__doc__)
