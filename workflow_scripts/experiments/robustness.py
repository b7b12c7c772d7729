"""Robustness: test whether the main results hold when one setting is changed.

python -m workflow_scripts.experiments.robustness PLAN

An axis is one setting, by its dotted key, with the values that this experiment gives to it. A
condition is a text that names the changed setting and its value, or "default".
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Self

import pandas as pd
from matplotlib.axes import Axes
from pydantic import Field, model_validator

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import ALL_TYPES, Subset
from workflow_scripts.evaluate.statistics import Estimate, Scale
from workflow_scripts.experiments.experiment import (
    Change,
    ClaimPart,
    Experiment,
    Measured,
    Product,
    require_run_key,
)
from workflow_scripts.experiments.runs import Branch, Changes, Grid, Member, SftData, value_of
from workflow_scripts.report import paper, style
from workflow_scripts.report.criteria import MARGIN, NEAR_PERFECT, Criterion
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.names import setting_name, value_names
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import (
    CROSS_ENTROPY,
    MIX_NOTE,
    Table,
    accuracy_and_fitting,
    table_row,
)
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Count, CountOrZero, Distinct, Range

DEFAULT = "default"  # the condition of runs without a changed setting
_LEARNING_RATE = "rl.learning_rate"

_ROBUST_GAPS = [
    paper.ROBUSTNESS["FB", condition].value
    - max(paper.ROBUSTNESS["F", condition].value, paper.ROBUSTNESS["B", condition].value)
    for condition in (DEFAULT, "rl.kl_coefficient=0.1", "rl.group_size=16")
]
ROBUST_GAP = Criterion(
    f"half of the smallest gap of the paper's variants, {min(_ROBUST_GAPS):.2f}",
    low=min(_ROBUST_GAPS) / 2,
)
UNSTABLE = Criterion(
    "unstable in the paper at 5 times its own learning rate: below the default by over 5 points",
    high=-MARGIN,
)
SAME_LOSS = Criterion(
    "the paper's cross-entropies differ by up to 1 %; within 10 % is the same", low=0.9, high=1.1
)


class Robustness(Experiment):
    """The main experiment's models, with one setting of SFT or RL changed at a time."""

    name: ClassVar[str] = "robustness"

    axes: dict[str, Annotated[list[Any], Distinct]]
    """The settings to change, by dotted key, each with its values besides the study's own value."""
    n_seeds_of_axis: dict[str, Count] = Field(default_factory=dict)
    """Number of seeds of FB with another value of an axis, by axis, where it is not n_seeds."""
    n_seeds_of_single_strategies: CountOrZero
    """Number of seeds of F and B."""

    @model_validator(mode="after")
    def _axes_change_runs_alone(self) -> Self:
        for key in self.axes:
            require_run_key("axes", key)
        return self

    def variants(self) -> Iterator[dict[str, Change]]:
        """The overrides alone, then the overrides with one value of one axis."""
        for changes in super().variants():
            yield changes
            for key, values in self.axes.items():
                for value in values:
                    yield {**changes, key: Change(value, f"axes.{key}")}

    def members(self, grid: Grid) -> Iterator[Member]:
        """Runs with the default settings, then runs with each value of each axis.

        A changed setting of SFT is judged after SFT, and its runs have no RL. A changed setting of
        RL is judged after RL.
        """
        for model in grid.main.models:
            for index, seed in enumerate(grid.study.seeds):
                axes = [key for key in self.axes if self._has(model, key, index)]
                if axes:
                    yield from grid.grow(_branch(grid, model, self.overrides, DEFAULT), seed)
                for key in axes:
                    for value in self.axes[key]:
                        changes = {**self.overrides, key: value}
                        branch = _branch(grid, model, changes, _condition(key, value))
                        yield from _judged(grid, branch, seed, is_of_sft(key))

    def _has(self, model: str, axis: str, index: int) -> bool:
        """Whether a model is run with other values of an axis and the seed of this index."""
        if model != "FB":
            return index < self.n_seeds_of_single_strategies
        n_seeds = self.n_seeds_of_axis.get(axis, self.n_seeds)
        return n_seeds is None or index < n_seeds

    def values(self, study: StudySettings, axis: str) -> list[tuple[Any, str]]:
        """The values of an axis and the default, as pairs (value, condition).

        The pairs are sorted by value if all values are numbers.
        """
        pairs = [(value, _condition(axis, value)) for value in self.axes[axis]]
        pairs.append((self.default(study, axis), DEFAULT))
        numeric = all(isinstance(value, int | float) for value, _ in pairs)
        return sorted(pairs) if numeric else pairs

    def default(self, study: StudySettings, axis: str) -> Any:
        """The value of a setting in the runs with the condition `default`."""
        return self.overrides.get(axis, value_of(study, axis))

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """One table per axis."""
        return {
            f"{self.name}-{axis}": Product(
                f"pass@1 with another {setting_name(axis)}", partial(_table, axis=axis), sft=True
            )
            for axis in self.axes
        }

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """One figure with a panel per axis."""
        caption = "Accuracy with one setting changed at a time"
        return {self.name: Product(caption, _figure, sft=True)}

    def claims(self) -> Measured:
        """The quantities for a part of claim C9."""
        return Measured({"C9": ClaimPart(_measure, ("figures/robustness",))}, sft=True)


def is_of_sft(axis: str) -> bool:
    """Whether an axis is a setting of SFT. Such a setting is judged after SFT."""
    return axis.startswith("sft.")


def _condition(axis: str, value: Any) -> str:
    return f"{axis}={value}"


def _branch(grid: Grid, model: ModelName, changes: Changes, condition: str) -> Branch:
    data = SftData.of_model(grid.study.data, model)
    return Branch(model, data, (grid.hardest,), changes, condition)


def _judged(grid: Grid, branch: Branch, seed: int, of_sft: bool) -> Iterator[Member]:
    """Add a branch (an SFT run and its RL runs), and return the members that judge a setting.

    These are the SFT run for a setting of SFT, and the RL runs for any other setting.
    """
    if of_sft:
        return grid.grow(replace(branch, prompts=()), seed)
    _, *after_rl = grid.grow(branch, seed)
    return iter(after_rl)


def _stage(inputs: Inputs[Robustness], axis: str) -> tuple[str, Range]:
    """The stage after which an axis is judged, and the steps of the problems used to judge it."""
    if is_of_sft(axis):
        return SFT, inputs.study.data.sft_steps
    return rl_stage(inputs.hardest), inputs.hardest


def _values(inputs: Inputs[Robustness], axis: str) -> list[tuple[Any, str]]:
    return inputs.experiment.values(inputs.study, axis)


def _multiple_of_default(inputs: Inputs[Robustness], axis: str, value: Any) -> float | None:
    """The ratio of a value to the default. None if one of the two is not a number."""
    default = inputs.experiment.default(inputs.study, axis)
    numeric = all(isinstance(number, int | float) for number in (value, default))
    return round(value / default, 6) if numeric and default else None


def _known_cross_entropy(
    inputs: Inputs[Robustness], model: str, axis: str, value: Any
) -> paper.Known | None:
    multiple = _multiple_of_default(inputs, axis, value)
    return None if multiple is None else paper.CROSS_ENTROPY.get((model, multiple))


def _seeds_note(inputs: Inputs[Robustness]) -> str:
    """A note on the seeds of F and B, which may be fewer than the seeds of FB, or none."""
    seeds = inputs.study.seeds[: inputs.experiment.n_seeds_of_single_strategies]
    if not seeds:
        return "F and B are not run"
    return f"F and B: seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} alone"


# ---- tables ------------------------------------------------------------------------------------


def _table(inputs: Inputs[Robustness], axis: str) -> Table:
    """Accuracy and strategies by value of an axis.

    For a setting of SFT, the table also has the cross-entropy.
    """
    (stage, steps), rows = _stage(inputs, axis), []
    for model in inputs.models:
        for value, condition in _values(inputs, axis):
            group = inputs.scores.find(model, stage, condition)
            if group is None:
                continue
            keys = {"model": model, "setting": _setting(value, condition)}
            for measure, estimate in accuracy_and_fitting(group, steps).items():
                reported = stage != SFT and measure == f"pass@1, {ALL_TYPES}"
                known = paper.ROBUSTNESS.get((model, condition)) if reported else None
                rows.append(table_row({**keys, "measure": measure}, estimate, known))
            measured = inputs.cross_entropy(model, condition) if stage == SFT else None
            if measured:
                known = _known_cross_entropy(inputs, model, axis, value)
                estimate = measured.estimate(Scale.LINEAR, inputs.confidence)
                rows.append(table_row({**keys, "measure": CROSS_ENTROPY}, estimate, known))
    same = "multiple of the default" if stage == SFT else "value of this setting"
    notes = (
        f"{setting_name(axis)} varies; fractions, after {stage}, on validation problems of {steps} "
        f"steps. {MIX_NOTE}",
        f"The paper's value is that of its own default, or of the same {same}.",
        f"{_seeds_note(inputs)}.",
    )
    values, conditions = zip(*_values(inputs, axis), strict=True)
    settings = zip(map(_setting, values, conditions), value_names(values), strict=True)
    names = {"setting": setting_name(axis)}
    names |= {key: key.replace(key.removesuffix(" (default)"), name) for key, name in settings}
    return Table(pd.DataFrame(rows), ["model", "setting"], "measure", notes, names=names)


def _setting(value: Any, condition: str) -> str:
    return f"{value} (default)" if condition == DEFAULT else str(value)


# ---- figures -----------------------------------------------------------------------------------


def _figure(inputs: Inputs[Robustness]) -> Drawing:
    """Draw one panel per axis with the accuracy of each model.

    Each axis that is a setting of SFT has a second panel, with the cross-entropy after SFT.
    """
    axes_names = list(inputs.experiment.axes)
    of_sft = [axis for axis in axes_names if is_of_sft(axis)]
    n_panels = len(axes_names) + len(of_sft)
    columns = min(3, n_panels)
    rows = -(-n_panels // columns)
    figure, grid = style.new_figure(0.5 + 1.95 * rows, rows, columns)
    panels = list(grid.flat)
    drawn: list[Estimate] = []
    for panel, axis in zip(panels, axes_names, strict=False):
        drawn += _draw_accuracy(panel, inputs, axis)
    for panel in grid[:, 0]:
        panel.set_ylabel(style.ACCURACY)
    for panel, axis in zip(panels[len(axes_names) :], of_sft, strict=False):
        _draw_cross_entropy(panel, inputs, axis)
    handles = [
        style.handle(model, **style.line_style(style.MODELS[model])) for model in inputs.models
    ]
    handles.append(style.handle("the paper", **style.PAPER_MARKER, mec=style.BLACK))
    text = f"validation: {style.describe(drawn)} ({_seeds_note(inputs)})"
    if any(each.n_seeds == 1 for each in drawn):
        handles.append(style.handle("one seed", **_ONE_SEED, color=style.BLACK, linestyle="none"))
        text += "; intervals of one seed are over problems alone"
    handles.append(style.guide_handle("chance"))
    unused = panels[n_panels:]
    for panel in unused:
        panel.set_axis_off()
    if unused:
        unused[0].legend(handles=handles, loc="center")
    else:
        style.legend_above(figure, handles)
    return Drawing(figure, f"{text}; bold: the study's own value")


_ONE_SEED: dict[str, Any] = {"marker": "o", "mfc": "white"}


def _draw_points(panel: Axes, model: str, points: list[tuple[float, Estimate]]) -> list[Estimate]:
    """Draw the points of a model, open where they are of one seed. Returns the estimates."""
    if not points:
        return []
    look = style.line_style(style.MODELS[model])
    x, estimates = (list(each) for each in zip(*points, strict=True))
    style.draw_estimates(panel, x, estimates, **look)
    open_look = look | {"mfc": "white", "zorder": 4}
    for x_single, value in [(x, each.value) for x, each in points if each.n_seeds == 1]:
        panel.plot(x_single, value, **open_look)
    return estimates


def _label_axis(panel: Axes, inputs: Inputs[Robustness], axis: str) -> None:
    values, conditions = zip(*_values(inputs, axis), strict=True)
    panel.set_xticks(range(len(values)), value_names(values))
    panel.get_xticklabels()[conditions.index(DEFAULT)].set_fontweight("bold")
    panel.set_xlim(-0.4, len(values) - 0.6)
    panel.set_xlabel(setting_name(axis))


def _draw_accuracy(panel: Axes, inputs: Inputs[Robustness], axis: str) -> list[Estimate]:
    stage, steps = _stage(inputs, axis)
    drawn: list[Estimate] = []
    shifts = style.dodge(len(inputs.models), 0.24)
    for model, shift in zip(inputs.models, shifts, strict=True):
        groups = {
            x + shift: (condition, group)
            for x, (_, condition) in enumerate(_values(inputs, axis))
            if (group := inputs.scores.find(model, stage, condition))
        }
        on = Subset(steps=steps)
        points = [(x, group.estimate("pass@1", on)) for x, (_, group) in groups.items()]
        drawn += _draw_points(panel, model, points)
        for x, (condition, _) in groups.items():
            known = paper.ROBUSTNESS.get((model, condition)) if stage != SFT else None
            if known:
                color = style.MODELS[model][0]
                panel.plot(x + 0.1, known.value, **style.PAPER_MARKER, mec=color)
    panel.set_title(f"after {stage}, {steps} steps")
    style.draw_chance(panel, inputs.study.task.field_size)
    style.fraction_axis(panel)
    _label_axis(panel, inputs, axis)
    return drawn


def _draw_cross_entropy(panel: Axes, inputs: Inputs[Robustness], axis: str) -> None:
    shifts = style.dodge(len(inputs.models), 0.24)
    for model, shift in zip(inputs.models, shifts, strict=True):
        points = [
            (x + shift, measured.estimate(Scale.LINEAR, inputs.confidence))
            for x, (_, condition) in enumerate(_values(inputs, axis))
            if (measured := inputs.cross_entropy(model, condition))
        ]
        _draw_points(panel, model, points)
    panel.set_title("after SFT, held-out examples")
    panel.set_ylabel("cross-entropy\n(nats per token)")
    panel.set_ylim(0, 1.3 * panel.get_ylim()[1])
    _label_axis(panel, inputs, axis)


# ---- claims ------------------------------------------------------------------------------------


def _measure(inputs: Inputs[Robustness]) -> list[Quantity]:
    """Measure a part of claim C9: quantities for each value of each axis, except the default."""
    quantities: list[Quantity] = []
    for axis in inputs.experiment.axes:
        values = [value for value, condition in _values(inputs, axis) if condition != DEFAULT]
        high = [value for value in values if _is_unstable(inputs, axis, value)]
        others = [value for value in values if value not in high]
        for value in others:
            if is_of_sft(axis):
                is_outermost = value in (others[0], others[-1])
                quantities.append(_same_loss(inputs, axis, value, is_outermost))
            else:
                quantities += _same_result(inputs, axis, value)
        quantities += [_unstable(inputs, axis, value, value == high[0]) for value in high]
    return quantities


def _is_unstable(inputs: Inputs[Robustness], axis: str, value: Any) -> bool:
    """Whether RL with this value was unstable in the paper."""
    default = inputs.experiment.default(inputs.study, axis)
    return axis == _LEARNING_RATE and value >= paper.UNSTABLE_LEARNING_RATE * default


def _name(inputs: Inputs[Robustness], condition: str, what: str = "FB") -> str:
    stage = rl_stage(inputs.hardest)
    return f"{condition}: {what} after {stage}, pass@1 on {inputs.hardest} steps, both types"


def _unstable(inputs: Inputs[Robustness], axis: str, value: Any, primary: bool) -> Quantity:
    """The loss from a high learning rate. The lowest such rate is primary."""
    condition, stage = _condition(axis, value), rl_stage(inputs.hardest)
    name, on = f"{_name(inputs, condition)}, less the default", Subset(steps=inputs.hardest)
    changed, default = (inputs.scores.find("FB", stage, each) for each in (condition, DEFAULT))
    return Ask(name, UNSTABLE, on, primary=primary).change(changed, default, "pass@1")


def _same_result(inputs: Inputs[Robustness], axis: str, value: Any) -> Iterator[Quantity]:
    """FB's accuracy and its gaps to F and B. They are primary for values that the paper reports.

    Gaps only support the claim if F and B have a single seed, but FB has more. There are none if F
    and B are not run.
    """
    condition, on = _condition(axis, value), Subset(steps=inputs.hardest)
    groups = {
        model: inputs.scores.find(model, rl_stage(inputs.hardest), condition)
        for model in ("FB", "F", "B")
    }
    known = {model: paper.ROBUSTNESS.get((model, condition)) for model in groups}
    values = {model: each.value for model, each in known.items() if each}
    before = baseline_of(inputs.scores.find("FB", SFT, DEFAULT), "pass@1", on)
    primary = "FB" in values
    ask = Ask(_name(inputs, condition), NEAR_PERFECT, on, values.get("FB"), primary)
    yield ask.level(groups["FB"], "pass@1", before)
    n_single = inputs.experiment.n_seeds_of_single_strategies
    enough = min(len(inputs.study.seeds), 2) <= n_single
    for single in ("F", "B") if n_single else ():
        gap = None
        if {"FB", single} <= set(values):
            gap = round(values["FB"] - values[single], 3)
        name = _name(inputs, condition, f"FB less {single}")
        ask = Ask(name, ROBUST_GAP, on, gap, primary and enough)
        yield ask.change(groups["FB"], groups[single], "pass@1")


def _same_loss(inputs: Inputs[Robustness], axis: str, value: Any, primary: bool) -> Quantity:
    """FB's cross-entropy over that of the default. The lowest and highest value are primary."""
    condition = _condition(axis, value)
    changed, default = (inputs.cross_entropy("FB", each) for each in (condition, DEFAULT))
    reported, known = _known_cross_entropy(inputs, "FB", axis, value), None
    if reported:
        known = round(reported.value / paper.CROSS_ENTROPY["FB", 1.0].value, 3)
    name = f"{condition}: FB's cross-entropy after SFT / that of the default"
    ask = Ask(name, SAME_LOSS, paper=known, primary=primary)
    # The two are of different SFT models, so they are not paired by seed.
    ratio = changed / default if changed and default else None
    origin = f"FB SFT {condition} / FB SFT {DEFAULT}, cross-entropy on held-out examples"
    return ask.of(ratio, Scale.LOG, inputs.confidence, "1 (the same loss)", origin)


if __name__ == "__main__":
    run_stage(__doc__)
