"""The tables: long CSV, one row per estimate, and Markdown that sets ours beside the paper's.

python -m workflow_scripts.report.tables PLAN
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import ALL_TYPES, Group
from workflow_scripts.evaluate.statistics import Estimate
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.report import paper
from workflow_scripts.report.inputs import (
    FITTING_TYPE,
    SFT,
    Inputs,
    rl_stage,
)
from workflow_scripts.report.paper import Known
from workflow_scripts.report.products import ROBUSTNESS, tables
from workflow_scripts.settings import Settings
from workflow_scripts.settings.values import Range

TYPES = (ALL_TYPES, "inversion", "evaluation")  # in the paper's order
STRATEGIES = ("forward", "backward", "mixed", "none")
CROSS_ENTROPY = "cross-entropy (nats/token)"

_MIX = "All-type rates weigh evaluation and inversion equally."


@dataclass(frozen=True)
class Table:
    """frame has a column for each of rows, for spread, and the estimate's columns.

    Markdown has a line per combination of rows and a column per value of spread.
    """

    frame: pd.DataFrame
    rows: list[str]
    spread: str
    notes: tuple[str, ...]
    value: str = "value"


def _row(keys: dict, estimate: Estimate, known: Known | None = None) -> dict:
    numbers = asdict(estimate)
    numbers.pop("n_samples")
    return {**keys, **numbers, "paper": known.value if known else np.nan}


def _by_type(inputs: Inputs, reference: dict) -> Table:
    """The shape of table1, on the validation problems of the hardest main RL."""
    rows = []
    for model in inputs.models:
        for stage in inputs.stages(model=model):
            group = inputs.scores.group(model, stage)
            for type in TYPES:
                keys = {"model": model, "stage": stage, "type": type}
                estimate = group.estimate("pass@1", type, inputs.hardest)
                rows.append(_row(keys, estimate, reference.get((model, stage, type))))
    frame = pd.DataFrame(rows).rename(columns={"value": "pass1"})
    notes = [f"pass@1 as a fraction, on validation problems of {inputs.hardest} steps. {_MIX}"]
    if reference:
        notes.append("The paper's all-type values are at its own mix of types.")
    return Table(frame, ["model", "stage"], "type", tuple(notes), "pass1")


def table1(inputs: Inputs) -> Table:
    return _by_type(inputs, paper.TABLE1)


def field13(inputs: Inputs) -> Table:
    return _by_type(inputs, {})


def largest_difference(vectors: list[np.ndarray]) -> np.ndarray:
    """The spread of some statistics that share their resamples."""
    return np.max(vectors, axis=0) - np.min(vectors, axis=0)


def sft(inputs: Inputs) -> Table:
    steps = inputs.settings.data.sft_steps
    groups = {model: inputs.scores.group(model, SFT) for model in inputs.models}
    rows, accuracies = [], {"pass@1": [], "pass@1 on the fitting type": []}
    for model, group in groups.items():
        fitting_type = FITTING_TYPE.get(model, ALL_TYPES)
        for measure, type in zip(accuracies, (ALL_TYPES, fitting_type), strict=True):
            accuracies[measure].append(group.vector("pass@1", type, steps))
            known = paper.SFT_ACCURACY if measure == "pass@1" else None
            estimate = group.estimate("pass@1", type, steps)
            rows.append(_row({"model": model, "measure": measure}, estimate, known))
        for strategy in STRATEGIES:
            estimate = group.estimate(f"share_{strategy}", steps=steps)
            rows.append(_row({"model": model, "measure": f"share {strategy}"}, estimate))
        measured = inputs.cross_entropy(model)
        if measured:
            keys = {"model": model, "measure": CROSS_ENTROPY}
            rows.append(_row(keys, measured[1], paper.CROSS_ENTROPY.get((model, 1.0))))
    any_group = next(iter(groups.values()))
    for measure, vectors in accuracies.items():
        estimate = any_group.summarize(largest_difference(vectors), steps=steps)
        rows.append(_row({"model": "largest difference", "measure": measure}, estimate))
    notes = (
        f"Fractions, on validation problems of {steps} steps; both types fit FB. {_MIX}",
        "The level of cross-entropy depends on the tokens: it is not comparable to the paper's.",
    )
    return Table(pd.DataFrame(rows), ["model"], "measure", notes)


def amplification(inputs: Inputs) -> Table:
    steps, rows = inputs.hardest, []
    for condition in inputs.percentages():
        group = inputs.scores.group("FB", rl_stage(steps), condition)
        share = float(condition) / 100
        mix = {"evaluation": share, "inversion": 1 - share}
        columns = {
            "share forward, RL's mix": group.estimate("share_forward", steps=steps, mix=mix),
            "share forward, balanced": group.estimate("share_forward", steps=steps),
            "share forward, evaluation": group.estimate("share_forward", "evaluation", steps),
            "share backward, inversion": group.estimate("share_backward", "inversion", steps),
            "pass@1, evaluation": group.estimate("pass@1", "evaluation", steps),
            "pass@1, inversion": group.estimate("pass@1", "inversion", steps),
        }
        for measure, estimate in columns.items():
            keys = {"evaluation_percent": condition, "measure": measure}
            rows.append(_row(keys, estimate))
    notes = (
        f"FB after RL({steps}), validation problems of {steps} steps, weighted by type to the mix "
        "of the RL prompts or balanced.",
        "The paper: the share of forward responses follows the share of evaluation prompts.",
    )
    return Table(pd.DataFrame(rows), ["evaluation_percent"], "measure", notes)


def composition(inputs: Inputs) -> Table:
    rows = []
    for model in inputs.models:
        for stage in inputs.stages(model=model):
            group = inputs.scores.group(model, stage, evaluation="parts")
            for n_parts in group.values("parts"):
                keys = {"sft": model, "stage": stage, "parts": n_parts}
                only = Range(low=n_parts, high=n_parts)
                rows.append(_row(keys, group.estimate("pass@1", parts=only)))
    chance = 1 / inputs.settings.task.field_size
    trained = inputs.settings.experiments.composition.rl_parts
    notes = (f"pass@1 as a fraction by number of parts; RL on {trained}; chance {chance:.3f}.",)
    return Table(pd.DataFrame(rows), ["sft", "stage"], "parts", notes)


def _accuracy_and_fitting(group: Group, steps: Range) -> dict[str, Estimate]:
    columns = {f"pass@1, {type}": group.estimate("pass@1", type, steps) for type in TYPES}
    for type in TYPES[1:]:
        columns[f"share fitting, {type}"] = group.estimate("share_fitting", type, steps)
    return columns


def diversity(inputs: Inputs) -> Table:
    rows = []
    for condition in inputs.percentages():
        for stage in inputs.stages(condition=condition):
            (model,) = inputs.scores.unique("model", condition=condition)
            group = inputs.scores.group(model, stage, condition)
            for measure, estimate in _accuracy_and_fitting(group, inputs.hardest).items():
                keys = {"backward_percent": condition, "stage": stage, "measure": measure}
                rows.append(_row(keys, estimate))
    notes = (f"Validation problems of {inputs.hardest} steps, fractions. {_MIX}",)
    return Table(pd.DataFrame(rows), ["backward_percent", "stage"], "measure", notes)


def robustness_stage(inputs: Inputs, axis: str) -> str:
    """Settings of SFT are judged after SFT, any other after RL."""
    return SFT if axis.startswith("sft.") else rl_stage(inputs.hardest)


def robustness_seeds(inputs: Inputs) -> str:
    """Which seeds F and B have, where FB has all."""
    seeds = inputs.settings.experiments.robustness.single_strategy_seeds
    return f"F and B: seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} alone"


def robustness(inputs: Inputs, axis: str) -> Table:
    stage, rows = robustness_stage(inputs, axis), []
    steps = inputs.settings.data.sft_steps if stage == SFT else inputs.hardest
    for model in inputs.models:
        for value, condition in inputs.conditions(axis):
            group = inputs.scores.group(model, stage, condition)
            if group is None:
                continue
            setting = f"{value} (default)" if condition == "default" else str(value)
            keys = {"model": model, "setting": setting}
            for measure, estimate in _accuracy_and_fitting(group, steps).items():
                reported = stage != SFT and measure == f"pass@1, {ALL_TYPES}"
                known = paper.ROBUSTNESS.get((model, condition)) if reported else None
                rows.append(_row({**keys, "measure": measure}, estimate, known))
            measured = inputs.cross_entropy(model, condition) if stage == SFT else None
            if measured:
                known = paper.CROSS_ENTROPY.get((model, inputs.multiple_of_default(axis, value)))
                measure = {"measure": CROSS_ENTROPY}
                rows.append(_row({**keys, **measure}, measured[1], known))
    same = "multiple of the default" if stage == SFT else "value of this setting"
    notes = (
        f"{axis} varies; after {stage}, validation problems of {steps} steps, fractions. {_MIX}",
        f"The paper's value is that of its own default, or of the same {same}.",
        f"{robustness_seeds(inputs)}.",
    )
    return Table(pd.DataFrame(rows), ["model", "setting"], "measure", notes)


def longer(inputs: Inputs) -> Table:
    rows = []
    for model in inputs.models:
        for type in TYPES:
            for stage in inputs.stages(model=model):
                for evaluation in inputs.scores.unique("evaluation", model=model, stage=stage):
                    group = inputs.scores.group(model, stage, evaluation=evaluation)
                    for n_steps in group.values("steps"):
                        keys = {"model": model, "type": type, "steps": n_steps, "stage": stage}
                        only = Range(low=n_steps, high=n_steps)
                        rows.append(_row(keys, group.estimate("pass@1", type, only)))
    notes = (f"pass@1 as a fraction. {_MIX}",)
    return Table(pd.DataFrame(rows), ["model", "type", "steps"], "stage", notes)


TABLES: dict[str, Callable[[Inputs], Table]] = {
    "table1": table1,
    "sft": sft,
    "amplification": amplification,
    "composition": composition,
    "diversity": diversity,
    "field13": field13,
    "longer": longer,
}


def make(inputs: Inputs, name: str) -> Table:
    base, _, axis = name.partition("-")
    return robustness(inputs, axis) if base == ROBUSTNESS else TABLES[name](inputs)


def format_estimate(
    value: float, ci_low: float, ci_high: float, known: float = np.nan, decimals: int = 3
) -> str:
    """``0.957 [0.950, 0.963] (paper 0.960)``, without what is NaN."""
    if np.isnan(value):
        return "not measured"
    text = f"{value:.{decimals}f}"
    if not np.isnan(ci_low):
        text += f" [{ci_low:.{decimals}f}, {ci_high:.{decimals}f}]"
    return text + ("" if np.isnan(known) else f" (paper {known:.{decimals}f})")


def to_markdown(table: Table, title: str, inputs: Inputs) -> str:
    cells = table.frame.copy()
    columns = cells[[table.value, "ci_low", "ci_high", "paper", table.spread]]
    cells["cell"] = [
        format_estimate(*numbers, decimals=4 if spread == CROSS_ENTROPY else 3)
        for *numbers, spread in columns.itertuples(index=False)
    ]
    wide = cells.pivot_table("cell", table.rows, table.spread, aggfunc="first", sort=False)
    body = wide.fillna("").reset_index().to_markdown(index=False, disable_numparse=True)
    problems = cells.loc[cells["n_problems"] > 0, "n_problems"]
    counts = f"{_span(problems)} problems, {_span(cells['n_seeds'])} seeds"
    notes = [f"{inputs.note}; {inputs.interval_note}; n of each estimate: {counts}.", *table.notes]
    if cells["paper"].notna().any():
        notes.append(
            "The paper's values and how certain each is: workflow_scripts/report/paper.py."
        )
    return "\n".join([f"# {title}", "", *notes, "", body, ""])


def _span(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low}-{high}"


def make_table(
    name: str, settings: Settings, files: dict[str, list[Path]], csv: Path, markdown: Path
) -> None:
    """Write a table of report.products from the files of its experiment; see Inputs.read."""
    inputs = Inputs.read(settings, **files)
    table = make(inputs, name)
    text = to_markdown(table, tables(settings)[name].caption, inputs)
    write_whole(
        {
            csv: lambda path: table.frame.to_csv(path, index=False),
            markdown: lambda path: path.write_text(text),
        }
    )


if __name__ == "__main__":
    run_stage(__doc__)
