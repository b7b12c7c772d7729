"""How the time of an RL step grows with completions, response length, model size and cores.

    python -m workflow_scripts.cost.growth --output results/benchmark

Times the rollouts and the update of an RL step, of models with random weights. Data, reward and
optimizer are not timed. All completions have the same length, because no
token ends them. One size varies at a time; the others are those of the laptop tier. Writes
growth.csv and growth.md. A size with exponent b takes 2 ** b times as long if it doubles.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from transformers import Qwen2ForCausalLM

from workflow_scripts.common.files import run_program, write_text
from workflow_scripts.model.device import device_name
from workflow_scripts.model.draw import SamplingParameters
from workflow_scripts.model.fast_score import score_completions
from workflow_scripts.model.generate import fold_if_plain, generate
from workflow_scripts.model.shape import Shape
from workflow_scripts.model.store import make_config
from workflow_scripts.model.tokenizer import make_tokenizer

_PROMPT, _GROUP, _REPEATS = 28, 8, 3
_HEAD = 16  # size of a head


@dataclass(frozen=True)
class Size:
    """What the time of a step depends on. The defaults are those of the laptop tier."""

    completions: int = 128
    tokens: int = 53
    """Length of a response: the mean of FB after SFT."""
    hidden: int = 96
    layers: int = 3
    cores: int = 1

    def shape(self, vocabulary: int) -> Shape:
        """The shape of the model, in the proportions of the laptop tier."""
        heads = self.hidden // _HEAD
        return Shape(self.hidden, self.layers, heads, heads, 4 * self.hidden, vocabulary)


BASE = Size()
VARIED = {
    "completions a step": [replace(BASE, completions=n) for n in (32, 64, 128, 256)],
    "tokens of a response": [replace(BASE, tokens=n) for n in (20, 40, 80, 160)],
    "parameters": [
        replace(BASE, hidden=hidden, layers=layers)
        for hidden, layers in ((48, 3), (96, 3), (192, 4), (320, 5))
    ],
    "cores": [replace(BASE, cores=n) for n in (1, 2)],
}


def time_step(size: Size, repeats: int = _REPEATS) -> tuple[float, float]:
    """Median seconds of rollouts and of the update."""
    torch.set_num_threads(size.cores)
    torch.manual_seed(0)
    tokenizer = make_tokenizer(11, 18)
    shape = size.shape(len(tokenizer))
    model = Qwen2ForCausalLM(make_config(shape, tokenizer))
    prompts = torch.randint(3, shape.vocabulary, (size.completions // _GROUP, _PROMPT)).tolist()
    parameters = SamplingParameters(size.tokens, frozenset({shape.vocabulary}), temperature=1.0)
    generator, rollouts, updates = torch.Generator().manual_seed(0), [], []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        with torch.no_grad():
            policy = fold_if_plain(model, autocast=False)
        assert policy is not None, "a plain model"
        completions = generate(policy, prompts, _GROUP, parameters, generator)
        sampled = time.perf_counter()
        ids = torch.cat(
            [
                torch.tensor(prompts).repeat_interleave(_GROUP, 0),
                torch.tensor(completions),
            ],
            dim=1,
        )
        policy = fold_if_plain(model, autocast=False)
        assert policy is not None, "a plain model"
        logps, _ = score_completions(policy, ids, torch.ones_like(ids), _PROMPT, 1.0)
        logps.mean().backward()
        rollouts.append(sampled - started)
        updates.append(time.perf_counter() - sampled)
    return median(rollouts[1:]), median(updates[1:])


def measure(varied: dict[str, list[Size]], repeats: int = _REPEATS) -> pd.DataFrame:
    """One row per size: what is varied, its value, and the seconds of rollouts, update and both."""
    rows = []
    for name, sizes in varied.items():
        for size in sizes:
            rollouts, update = time_step(size, repeats)
            value = {
                "completions a step": size.completions,
                "tokens of a response": size.tokens,
                "parameters": _parameters(size),
                "cores": size.cores,
            }[name]
            rows.append((name, value, rollouts, update, rollouts + update))
    return pd.DataFrame(rows, columns=["varied", "value", "rollouts", "update", "both"])


def _parameters(size: Size) -> int:
    return size.shape(len(make_tokenizer(11, 18))).parameters


def exponent(values: pd.Series, seconds: pd.Series) -> float:
    """The exponent b of seconds = a * values ** b, by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def page(times: pd.DataFrame, device: str) -> str:
    """The measurements as Markdown: one row per varied size, with the fitted exponents."""
    lines = [
        f"Seconds of rollouts and update of an RL step on one core, {device}: {BASE.completions} "
        f"completions of {BASE.tokens} tokens, a model of {_parameters(BASE):,} parameters, except "
        "where said.",
        "",
        "| varied | seconds at each value | exponent: rollouts | update | both |",
        "|---|---|--:|--:|--:|",
    ]
    for name, some in times.groupby("varied", sort=False):
        pairs = zip(some["value"], some["both"], strict=True)
        at = ", ".join(f"{value:,}: {seconds:.2f}" for value, seconds in pairs)
        fitted = (f"{exponent(some['value'], some[part]):.2f}" for part in some.columns[2:])
        lines.append(f"| {name} | {at} | {' | '.join(fitted)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, required=True, help="folder of growth.csv, growth.md"
    )
    output = parser.parse_args().output
    times = measure(VARIED).round(4)  # the page can be written again from growth.csv
    text = page(times, device_name("cpu"))
    write_text(output / "growth.csv", times.to_csv(index=False))
    write_text(output / "growth.md", text)
    print(text)


if __name__ == "__main__":
    run_program(main)
