"""Rollouts: sample responses of a model to validation problems. The last stage to touch a model.

    python -m workflow_scripts.evaluate.sample PLAN

Every batch has a sampling seed of its own, derived from the study's, the run, the evaluation (the
name of the output) and the checkpoint, and recorded in the file: any batch can be sampled again.
What made it and what it took is written beside it, as JSON: rollouts that are sampled again have
the same bits.
"""

import time
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path
from random import Random

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from workflow_scripts.common.files import write_json
from workflow_scripts.common.jobs import run_stage
from workflow_scripts.common.progress import report_progress
from workflow_scripts.common.provenance import code_hash, git_commit
from workflow_scripts.evaluate.storage import write_whole, writer
from workflow_scripts.model.device import device_name, peak_memory_mib
from workflow_scripts.model.generate import generate
from workflow_scripts.model.store import load_model, load_tokenizer, prepare_torch
from workflow_scripts.model.tokenizer import encode, user_turn
from workflow_scripts.task.datasets import read_dataset
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.reward import outcome_reward


def stratified_subset(records: list[dict], n: int) -> list[dict]:
    """The first n records, taking the strata (type, steps, parts) in turn; in file order."""
    strata = defaultdict(list)
    for record in records:
        strata[record["type"], record["steps"], record["parts"]].append(record)
    in_turn = [r for row in zip_longest(*strata.values()) for r in row if r is not None]
    return sorted(in_turn[:n], key=lambda record: record["id"])


def sample_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    records: list[dict],
    n_samples: int,
    sampling: dict,
    max_new_tokens: int,
    stream: str,
) -> list[dict]:
    """Return n_samples rollouts of each record; stream names the sequence of sampling seeds."""
    prompts = encode(tokenizer, [user_turn(tokenizer, record["prompt"]) for record in records])
    per_batch = max(1, sampling["batch_size"] // n_samples)
    generator = torch.Generator(model.device)
    rollouts, started = [], time.monotonic()
    for start in range(0, len(records), per_batch):
        batch = records[start : start + per_batch]
        seed = Random(f"{stream} batch {start // per_batch} seed {sampling['seed']}").getrandbits(
            63
        )
        generator.manual_seed(seed)
        completions = generate(
            model,
            prompts[start : start + per_batch],
            n_samples,
            max_new_tokens,
            {tokenizer.eos_token_id},
            sampling["temperature"],
            generator,
        )
        texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
        for index, (text, tokens) in enumerate(zip(texts, completions, strict=True)):
            record = batch[index // n_samples]
            complete = tokens[-1] == tokenizer.eos_token_id
            rollouts.append(
                {
                    "problem": record["id"],
                    "sample": index % n_samples,
                    "text": text,
                    "complete": complete,
                    "reward": outcome_reward(Problem.from_json(record["problem"]), text, complete),
                    "length": len(tokens),
                    "seed": seed,
                }
            )
        report_progress(stream, start + len(batch), len(records), "problems", started)
    return rollouts


def sample(
    settings: dict,
    run: str,
    models: dict[int, Path],
    problems: Path,
    n_samples: int,
    n_problems: int | None,
    output: Path,
    record: Path,
) -> None:
    """Sample the models of a run, each by its RL step, on problems or a subset of n_problems.

    settings holds ``model``, ``sampling`` and ``max_new_tokens``.
    """
    model_settings = settings["model"]
    device, dtype = model_settings["device"], model_settings["dtype"]
    prepare_torch(device, model_settings["threads"])
    records = read_dataset(problems)
    if n_problems:
        records = stratified_subset(records, n_problems)
    rollouts, seconds = [], 0.0
    for step, folder in models.items():
        model = load_model(folder, device, dtype)
        started = time.monotonic()
        sampled = sample_model(
            model,
            load_tokenizer(folder),
            records,
            n_samples,
            settings["sampling"],
            settings["max_new_tokens"],
            f"{run} {output.stem} step {step}",
        )
        rollouts += [{"checkpoint": step, **rollout} for rollout in sampled]
        seconds += time.monotonic() - started
    write_whole({output: writer(pd.DataFrame(rollouts), output)})
    module = "workflow_scripts.evaluate.sample"
    tokens = sum(rollout["length"] for rollout in rollouts)
    write_json(
        record,
        {
            "stage": module,
            "code_hash": code_hash(module),
            "commit": git_commit(),
            "device": device_name(device),
            "wall_seconds": round(seconds, 2),
            "peak_memory_mib": peak_memory_mib(device),
            "tokens_per_second": round(tokens / seconds, 1),
        },
    )


if __name__ == "__main__":
    run_stage(__doc__)
