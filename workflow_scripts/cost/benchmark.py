"""Time rollouts and RL steps of this project against those of TRL as it comes.

    python -m workflow_scripts.cost.benchmark PLAN

Both start from the same model with the same prompts and settings, in one process: once from the SFT
model, as training begins, and once from the RL model, as it ends. TRL as it comes samples with
transformers' generate and updates on every completion of a step.
"""

import time
from pathlib import Path
from statistics import median

from transformers import TrainerCallback
from trl import GRPOTrainer

from workflow_scripts.common.files import write_text
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.store import prepare_torch
from workflow_scripts.train.grpo import make_trainer
from workflow_scripts.train.lean_grpo import LeanGRPOTrainer
from workflow_scripts.train.rollout_log import RolloutLog

WARM_UP, MEASURED = 1, 5  # RL steps


class StepTimes(TrainerCallback):
    def __init__(self):
        self.seconds: list[float] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds.append(time.perf_counter() - self.started)


def time_trainer(
    trainer_class: type[GRPOTrainer],
    own_rollouts: bool,
    settings: dict,
    model: Path,
    prompts: Path,
    output: Path,
) -> tuple[float, float]:
    """Median seconds of the rollouts of an RL step, and of the whole step."""
    settings = {**settings, "rl": {**settings["rl"], "steps": WARM_UP + MEASURED}}
    steps, rollouts = StepTimes(), []
    trainer = make_trainer(
        settings, 0, model, prompts, RolloutLog(), output, trainer_class, own_rollouts
    )
    trainer.add_callback(steps)
    generate = trainer._generate

    def timed(prompts):
        started = time.perf_counter()
        result = generate(prompts)
        rollouts.append(time.perf_counter() - started)
        return result

    trainer._generate = timed
    trainer.train()
    return median(rollouts[WARM_UP:]), median(steps.seconds[WARM_UP:])


def compare(settings: dict, sft: Path, rl: Path, prompts: Path, output: Path) -> str:
    """A Markdown table of seconds and of their ratios."""
    prepare_torch(settings["model"]["device"], settings["model"]["threads"])
    recipe = settings["rl"]
    lines = [
        f"{rl.parent.name}: {recipe['batch_size']} completions of up to {recipe['max_new_tokens']} "
        f"tokens, {settings['model']['threads']} thread(s), seconds, median of {MEASURED} steps",
        "",
        "| | TRL as it comes | here | ratio |",
        "|---|--:|--:|--:|",
    ]
    for stage, model in (("SFT", sft), ("RL", rl)):
        plain = time_trainer(GRPOTrainer, False, settings, model, prompts, output.parent)
        ours = time_trainer(LeanGRPOTrainer, True, settings, model, prompts, output.parent)
        for name, theirs, mine in zip(("rollouts", "whole RL step"), plain, ours, strict=True):
            ratio = f"{theirs / mine:.1f}"
            lines.append(f"| {name}, after {stage} | {theirs:.2f} | {mine:.2f} | {ratio} |")
    return "\n".join(lines) + "\n"


def write_benchmark(settings: dict, sft: Path, rl: Path, prompts: Path, output: Path) -> None:
    """Write and show the comparison; settings holds the sections ``model`` and ``rl``."""
    text = compare(settings, sft, rl, prompts, output)
    write_text(output, text)
    print(text)


if __name__ == "__main__":
    run_stage(__doc__)
