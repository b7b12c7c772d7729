"""Exact measures of models, without sampling: teacher forcing of the correct direct solution.

    python -m workflow_scripts.evaluate.exact PLAN

Every problem has one correct direct solution as SFT writes it: each part in its fitting direction,
every line right, then the answer. A model's probability of writing this text is a product over its
tokens, which one forward pass computes. The product has two factors:

- selection: the probability of the opening (see task.text.Form.opening), which shows that the
  response works the problem directly and in the fitting direction;
- execution: the probability of everything after the opening, given the opening.

Selection times execution is the probability that one sample is process-verified, so that one of k
samples is with probability 1 - (1 - selection * execution) ** k. Neither factor has sampling noise.
An instruction-tuned model may find other words for a right solution: for the natural form, the
product is a lower bound.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.common.progress import ProgressLine
from workflow_scripts.evaluate.record import write_record
from workflow_scripts.evaluate.storage import write_whole, writer
from workflow_scripts.model.device import prepare_torch
from workflow_scripts.model.generate import Policy, implementation, load_to_sample
from workflow_scripts.model.score import log_probabilities
from workflow_scripts.model.text_codec import TextCodec, load_codec
from workflow_scripts.settings.sampling import ExactSettings
from workflow_scripts.task.datasets import Row, read_dataset, read_task
from workflow_scripts.task.problems import Problem
from workflow_scripts.task.solutions import write_fitting_solution
from workflow_scripts.task.text import Form

_MODULE = "workflow_scripts.evaluate.exact"


@dataclass(frozen=True)
class Solved:
    """Problems with their correct direct solutions, as token ids.

    The first n_opening[i] tokens of solution i are its opening.
    """

    prompts: list[list[int]]
    solutions: list[list[int]]
    n_opening: list[int]


def solve(problems: list[Row], form: Form, codec: TextCodec) -> Solved:
    """Write the correct direct solution of each problem, for the model of a codec."""
    texts = [write_fitting_solution(form, Problem.from_json(row["problem"])) for row in problems]
    responses = codec.encode_responses(texts)
    lengths = [len(form.opening(text)) for text in texts]
    return Solved(
        codec.encode([row["prompt"] for row in problems]),
        [response.ids for response in responses],
        [sum(start < n for start in r.starts) for r, n in zip(responses, lengths, strict=True)],
    )


def measure_exactly(model: Policy, solved: Solved, temperature: float) -> pd.DataFrame:
    """The natural logarithms of selection and of execution, one row per problem."""
    scores = log_probabilities(model, solved.prompts, solved.solutions, temperature)
    split = [(s[:n].sum(), s[n:].sum()) for s, n in zip(scores, solved.n_opening, strict=True)]
    return pd.DataFrame(torch.tensor(split).numpy(), columns=["log_selection", "log_execution"])


def measure(settings: ExactSettings, models: dict[int, Path], problems: Path, output: Path) -> None:
    """Measure models of a run on validation problems, at each of the settings' temperatures.

    models maps each RL step to the folder of the model at that step. Writes a parquet file, and its
    record beside it. Raises StudyError if an input file is damaged.
    """
    prepare_torch(settings.model)
    rows, form = read_dataset(problems), read_task(problems).form
    ids = [row["id"] for row in rows]
    solved: Solved | None = None
    progress = ProgressLine(f"{output.parent.name} {output.stem}", len(models), "models")
    measured, used, n_tokens, started = [], set(), 0, time.monotonic()
    for index, (step, folder) in enumerate(models.items(), start=1):
        model = load_to_sample(folder, settings.model)
        used.add(implementation(model))
        if solved is None:  # all models of a run have the same tokenizer
            solved = solve(rows, form, load_codec(folder))
        for temperature in settings.temperatures:
            exact = measure_exactly(model, solved, temperature)
            measured.append(exact.assign(checkpoint=step, temperature=temperature, problem=ids))
            n_tokens += sum(map(len, solved.solutions))
        progress.show(index)
    write_whole({output: writer(pd.concat(measured, ignore_index=True), output)})
    seconds = time.monotonic() - started
    write_record(output, _MODULE, settings.model.device, used, seconds, n_tokens)


if __name__ == "__main__":
    run_stage(__doc__)
