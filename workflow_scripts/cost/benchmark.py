"""Compare the time of rollouts and RL steps with TRL's, and of evaluations with transformers'.

    python -m workflow_scripts.cost.benchmark PLAN

Both trainers use the same model, prompts and settings, in one process. The comparison is made
twice: with an SFT model, as at the beginning of RL, and with the model after RL. Unmodified TRL
samples with transformers' generate, and computes each update on all completions of a step. The
samples of evaluations are drawn by the project's two decode loops. cost.benchmark_summary shows the
result.
"""

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOTrainer

from workflow_scripts.common.files import write_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.model.device import device_name, prepare_torch
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.generate import Policy, generate, load_to_sample
from workflow_scripts.model.store import load_model
from workflow_scripts.model.text_codec import load_codec
from workflow_scripts.settings.rl import RlSettings
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.train.grpo import OWN, RlInputs, Variant, make_trainer
from workflow_scripts.train.rollout_log import RolloutLog

WARM_UP, MEASURED = 2, 10  # RL steps
N_SAMPLED = 1024  # completions of an evaluation
REPEATS = 9  # of the sampling of an evaluation
TRL = Variant(GRPOTrainer, own_rollouts=False)


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
    variant: Variant, settings: RlSettings, inputs: RlInputs, output: Path
) -> tuple[float, float]:
    """Median seconds of the rollouts of an RL step, and of the whole step, after the warm-up."""
    rl = settings.rl.model_copy(update={"steps": WARM_UP + MEASURED})
    settings = settings.model_copy(update={"rl": rl})
    trainer = make_trainer(settings, 0, inputs, RolloutLog(), output, variant)
    steps = StepTimes()
    rollouts: list[float] = []
    trainer.add_callback(steps)
    unmeasured = trainer._generate

    def timed(prompts: list[Any]) -> Any:
        started = time.perf_counter()
        result = unmeasured(prompts)
        rollouts.append(time.perf_counter() - started)
        return result

    trainer._generate = timed  # type: ignore[method-assign]
    trainer.train()
    return median(rollouts[WARM_UP:]), median(steps.seconds[WARM_UP:])


def time_evaluation(
    policies: list[Policy],
    prompts: list[list[int]],
    n_samples: int,
    batch_size: int,
    parameters: SamplingParameters,
) -> list[float]:
    """Median seconds of each policy to sample n_samples completions of each prompt, in batches.

    The policies take turns, so that a change of the machine's speed meets all of them.
    """
    per_batch, generator = max(1, batch_size // n_samples), torch.Generator()
    batches = [prompts[at : at + per_batch] for at in range(0, len(prompts), per_batch)]
    seconds: list[list[float]] = [[] for _ in policies]
    for _ in range(1 + REPEATS):
        for policy, measured in zip(policies, seconds, strict=True):
            started = time.perf_counter()
            for batch in batches:
                generate(policy, batch, n_samples, parameters, generator)
            measured.append(time.perf_counter() - started)
    return [median(measured[1:]) for measured in seconds]


def compare(
    settings: RlSettings, batch_size: int, sft: Path, rl: Path, prompts: Path, scratch: Path
) -> dict[str, list[float]]:
    """[seconds of TRL or transformers, seconds here], by the names of benchmark.json."""
    prepare_torch(settings.model)
    seconds: dict[str, list[float]] = {}
    for stage, folder in (("sft", sft), ("rl", rl)):
        inputs = RlInputs(folder, prompts)
        plain = time_trainer(TRL, settings, inputs, scratch)
        ours = time_trainer(OWN, settings, inputs, scratch)
        for name, theirs, mine in zip(("rollouts", "step"), plain, ours, strict=True):
            seconds[f"{name}_after_{stage}"] = [theirs, mine]
    codec = load_codec(sft)
    reference, fast = load_model(sft, settings.model), load_to_sample(sft, settings.model)
    end_tokens = frozenset({codec.end})
    parameters = SamplingParameters(settings.rl.max_new_tokens, end_tokens, temperature=1.0)
    rows = read_dataset(prompts)[: N_SAMPLED // 16]
    encoded = codec.encode([row["prompt"] for row in rows])
    for n_samples in (16, 128):
        seconds[f"evaluation_n{n_samples}"] = time_evaluation(
            [reference, fast],
            encoded[: N_SAMPLED // n_samples],
            n_samples,
            batch_size,
            parameters,
        )
    return seconds


def write_benchmark(
    settings: RlSettings, batch_size: int, sft: Path, rl: Path, prompts: Path, output: Path
) -> None:
    """Write the seconds of the comparison and the device as JSON; see compare.

    batch_size is that of evaluations.
    """
    seconds = compare(settings, batch_size, sft, rl, prompts, output.parent)
    write_json(
        output,
        {
            "device": device_name(settings.model.device),
            "run": rl.parent.name,
            "completions": settings.rl.batch_size,
            "samples": N_SAMPLED,
            "threads": settings.model.threads,
            "seconds": seconds,
        },
    )


if __name__ == "__main__":
    run_stage(__doc__)
