"""Rollouts: sample responses of a model to validation problems.

    python -m workflow_scripts.evaluate.sample PLAN

Every batch has its own sampling seed. The seed depends on the study's sampling seed, the run, the
evaluation (the name of the output), the checkpoint and the number of the batch. Each rollout stores
the seed of its batch, so any batch can be sampled again.
"""

import time
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.common.progress import ProgressLine
from workflow_scripts.evaluate.record import write_record
from workflow_scripts.evaluate.storage import write_whole, writer
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.draw import SamplingParameters, make_generator
from workflow_scripts.model.generate import Policy, generate, implementation, load_to_sample
from workflow_scripts.model.text_codec import TextCodec, load_codec
from workflow_scripts.settings.sampling import EvaluationSize, SamplingSettings
from workflow_scripts.task.datasets import Row, read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward

_MODULE = "workflow_scripts.evaluate.sample"


def stratified_subset(problems: list[Row], n: int) -> list[Row]:
    """Choose n problems, as evenly as possible over the strata. Returns the problems sorted by id.

    A stratum is the set of problems of one type, number of steps and number of parts.
    """
    strata = defaultdict(list)
    for problem in problems:
        strata[problem["type"], problem["steps"], problem["parts"]].append(problem)
    rounds = zip_longest(*strata.values())
    in_turn = [problem for each in rounds for problem in each if problem is not None]
    return sorted(in_turn[:n], key=lambda problem: problem["id"])


def sampling_seed(stream: str, batch: int, seed: int) -> int:
    """The sampling seed of a batch. stream is a text that names run, evaluation and checkpoint."""
    return Random(f"{stream} batch {batch} seed {seed}").getrandbits(63)


def sample_model(
    model: Policy,
    codec: TextCodec,
    problems: list[Row],
    n_samples: int,
    settings: SamplingSettings,
    stream: str,
) -> list[dict[str, Any]]:
    """Return n_samples rollouts of each problem, one dictionary per rollout.

    stream names the run, evaluation and checkpoint, as in `sampling_seed`.
    """
    decoding, end = settings.sampling, codec.end
    parameters = SamplingParameters(settings.max_new_tokens, frozenset({end}), decoding.temperature)
    prompts = codec.encode([problem["prompt"] for problem in problems])
    per_batch = max(1, decoding.batch_size // n_samples)
    generator = make_generator(settings.model.device)
    progress = ProgressLine(stream, len(problems), "problems")
    rollouts = []
    for start in range(0, len(problems), per_batch):
        batch = problems[start : start + per_batch]
        seed = sampling_seed(stream, start // per_batch, decoding.seed)
        generator.manual_seed(seed)
        completions = generate(
            model, prompts[start : start + per_batch], n_samples, parameters, generator
        )
        texts = codec.decode(completions)
        for index, (text, tokens) in enumerate(zip(texts, completions, strict=True)):
            row = batch[index // n_samples]
            complete = tokens[-1] == end
            rollouts.append(
                {
                    "problem": row["id"],
                    "sample": index % n_samples,
                    "text": text,
                    "complete": complete,
                    "reward": outcome_reward(Problem.from_json(row["problem"]), text, complete),
                    "length": len(tokens),
                    "seed": seed,
                }
            )
        progress.show(start + len(batch))
    return rollouts


def sample(
    settings: SamplingSettings,
    run: str,
    models: dict[int, Path],
    problems: Path,
    size: EvaluationSize,
    output: Path,
) -> None:
    """Sample models of a run on validation problems.

    models maps each RL step to the folder of the model at that step. Writes the rollouts to output,
    a parquet file, and the record to a JSON file beside output. Raises StudyError if an input file
    is damaged.
    """
    prepare_torch(settings.model)
    rows = [row for row in read_dataset(problems) if row["steps"] > size.longer_than]
    if size.n_problems:
        rows = stratified_subset(rows, size.n_problems)
    rollouts, used, seconds = [], set(), 0.0
    for step, folder in models.items():
        model, codec = load_to_sample(folder, settings.model), load_codec(folder)
        used.add(implementation(model))
        started = time.monotonic()
        stream = f"{run} {output.stem} step {step}"
        sampled = sample_model(model, codec, rows, size.n_samples, settings, stream)
        rollouts += [{"checkpoint": step, **rollout} for rollout in sampled]
        seconds += time.monotonic() - started
    write_whole({output: writer(pd.DataFrame(rollouts), output)})
    tokens = sum(rollout["length"] for rollout in rollouts)
    write_record(output, _MODULE, settings.model.device, used, seconds, tokens)


if __name__ == "__main__":
    run_stage(__doc__)
