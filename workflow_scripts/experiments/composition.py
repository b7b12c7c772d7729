"""Composition: test whether RL extends composition to more parts, and if SFT must have examples.

python -m workflow_scripts.experiments.composition PLAN

A composition is a problem of several parts. The answer of each part is the known value of the next.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Group, Subset
from workflow_scripts.experiments.experiment import ClaimPart, Experiment, Measured, Product
from workflow_scripts.experiments.runs import (
    Branch,
    Evaluation,
    Grid,
    Member,
    Prompts,
    SftData,
)
from workflow_scripts.report import style
from workflow_scripts.report.criteria import GAIN, MARGIN, NOT_ACQUIRED, Criterion
from workflow_scripts.report.inputs import SFT, Inputs
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import Table, table_row
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Count, Range, require, single
from workflow_scripts.task import baselines
from workflow_scripts.task.mixes import Compositions, ValidationMix
from workflow_scripts.task.solutions import solution_words

_KIND = "parts"  # the kind of validation problems, and the name of the evaluation on them
_EXACT = "parts_exact"  # the exact evaluation on these problems
LOWER_BOUND = Criterion("no rule: a lower bound, since models may leave lines out")


class Composition(Experiment):
    """SFT on problems of one part or of up to two parts, then RL on problems of more parts."""

    name: ClassVar[str] = "composition"

    part_steps: Range
    """Number of steps of each part of a problem."""
    sft_examples: Count
    """Number of examples in each SFT set."""
    sft_parts: dict[Annotated[str, Field(pattern=r"^[a-z]{2,}$")], Range]
    """The SFT sets by name, each with the range of the number of parts of its problems."""
    rl_parts: Range
    """Number of parts of the problems in RL."""
    validation_parts: Range
    """Number of parts of the validation problems."""

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if variable names are too few, or validation lacks SFT's parts."""
        task, key = study.task, f"experiments.{self.name}"
        parts, steps = self._most_parts, self.part_steps.high
        require(
            parts * (steps + 1) <= task.n_variables,
            f"{key}.part_steps.high",
            steps,
            f"{parts} parts must fit into task.n_variables, which is {task.n_variables}",
        )
        for span in self.sft_parts.values():
            allowed = f"a range that holds that of SFT, {span}"
            holds = self.validation_parts.holds(span)
            require(holds, f"{key}.validation_parts", self.validation_parts, allowed)

    @property
    def _most_parts(self) -> int:
        ranges = (self.rl_parts, self.validation_parts, *self.sft_parts.values())
        return max(parts.high for parts in ranges)

    def longest_responses(self, study: StudySettings) -> dict[str, int]:
        """A solution of the largest number of parts, each with the largest number of steps."""
        parts, steps = self._most_parts, self.part_steps.high
        words = solution_words(study.task.form, parts * steps, parts)
        return {f"a solution of {parts} parts": words}

    def validation(self, study: StudySettings) -> dict[str, ValidationMix]:
        """One kind of validation problems, "parts": problems of each number of parts."""
        return {_KIND: self._mix(self.validation_parts)}

    def evaluations(self, study: StudySettings) -> list[Evaluation]:
        """A sampled and an exact evaluation, on all problems of the kind "parts"."""
        return Evaluation.pair(_KIND, _EXACT, study.sampling)

    def _mix(self, parts: Range) -> Compositions:
        return Compositions(parts.values(), self.part_steps.values())

    def members(self, grid: Grid) -> Iterator[Member]:
        """One SFT run for each SFT set, and one RL run that starts from its model."""
        prompts = Prompts.compositions(grid.study.data, self.rl_parts, self.part_steps)
        evaluations = (_KIND, _EXACT)
        for seed in self.seeds(grid.study):
            for name, parts in self.sft_parts.items():
                data = SftData(name, self._mix(parts), self.sft_examples, _KIND)
                branch = Branch(name, data, (prompts,), self.overrides, evaluations=evaluations)
                yield from grid.grow(branch, seed)

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """A table of accuracy by number of parts."""
        return {self.name: Product("pass@1 by number of parts", _table, scores=(_KIND,))}

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """A figure of accuracy by number of parts."""
        return {self.name: Product("Accuracy by number of parts", _figure, scores=(_KIND,))}

    def claims(self) -> Measured:
        """The quantities for claim C8."""
        shown = ("tables/composition", "figures/composition")
        return Measured({"C8": ClaimPart(_measure, shown)}, scores=(_KIND, _EXACT))


def _table(inputs: Inputs[Composition]) -> Table:
    """pass@1 by number of parts, for each SFT set before and after RL."""
    rows = []
    for model in inputs.models:
        for stage in inputs.stages(model=model):
            group = inputs.scores.group(model, stage, evaluation="parts")
            for n_parts in group.values("parts"):
                keys = {"sft": model, "stage": stage, "parts": n_parts}
                rows.append(
                    table_row(keys, group.estimate("pass@1", Subset(parts=single(n_parts))))
                )
    chance = baselines.chance(inputs.study.task.field_size)
    trained = inputs.experiment.rl_parts
    notes = (f"pass@1 as a fraction by number of parts; RL on {trained}; chance {chance:.3f}.",)
    numbers = {str(n): f"{n} part{'' if n == 1 else 's'}" for n in group.values("parts")}
    names = {model: _sft_name(inputs, model) for model in inputs.models} | numbers
    names[_rl_stage(inputs)] = f"RL on {trained} parts"
    return Table(pd.DataFrame(rows), ["sft", "stage"], "parts", notes, names=names)


def _sft_name(inputs: Inputs[Composition], model: str) -> str:
    """What the SFT examples of a model are: single parts, pairs, or more."""
    most = inputs.experiment.sft_parts[model].high
    return {1: "single parts", 2: "pairs"}.get(most, f"up to {most} parts")


def _figure(inputs: Inputs[Composition]) -> Drawing:
    """Draw accuracy by number of parts: one line per SFT set and stage."""
    figure, ((panel,),) = style.new_figure(2.9, 1, 1, style.COLUMN)
    experiment, drawn = inputs.experiment, []
    numbers = experiment.validation_parts.values()
    series = [(model, stage) for model in inputs.models for stage in inputs.stages(model=model)]
    shifts = style.dodge(len(series), 0.3)
    looks = dict(zip(inputs.models, cycle(style.SERIES), strict=False))
    for (model, stage), shift in zip(series, shifts, strict=True):
        group = inputs.scores.group(model, stage, evaluation=_KIND)
        estimates = [group.estimate("pass@1", Subset(parts=single(parts))) for parts in numbers]
        look, label = style.line_style(looks[model]), f"SFT on {_sft_name(inputs, model)}"
        if stage == SFT:
            look |= {"linestyle": ":", "mfc": "white"}
        else:
            label += ", RL"
        style.draw_estimates(panel, np.add(numbers, shift), estimates, **look, label=label)
        drawn += estimates
    trained = experiment.rl_parts
    panel.axvspan(trained.low - 0.5, trained.high + 0.5, color="0.94", linewidth=0, zorder=0)
    style.label_range(panel, trained.low, trained.high, "parts in RL")
    style.draw_chance(panel, inputs.study.task.field_size)
    panel.set_xticks(numbers)
    panel.set_xlabel("number of parts of the problem")
    panel.set_ylabel(style.ACCURACY)
    style.fraction_axis(panel)
    handles, _ = panel.get_legend_handles_labels()
    style.legend_above(figure, handles, ncols=2, columnspacing=1)
    return Drawing(figure, f"dotted: chance; each point: {style.describe(drawn)}")


def _measure(inputs: Inputs[Composition]) -> list[Quantity]:
    """Measure claim C8: RL extends composition only if SFT had examples of two parts.

    The share of samples whose every line is right decides. The exact measure is a lower bound: it
    misses right solutions in other words, and RL lets models leave lines out.
    """
    quantities: list[Quantity] = []
    for model, held in inputs.experiment.sft_parts.items():
        extends = held.high > 1
        quantities += _extension(inputs, model) if extends else _no_extension(inputs, model)
    return quantities


def _groups(
    inputs: Inputs[Composition], model: str, evaluation: str
) -> tuple[Group | None, Group | None]:
    """The scores after RL and after SFT."""
    find = inputs.scores.find
    after, before = (find(model, each, evaluation=evaluation) for each in (_rl_stage(inputs), SFT))
    return after, before


def _rl_stage(inputs: Inputs[Composition]) -> str:
    own = inputs.experiment
    return Prompts.compositions(inputs.study.data, own.rl_parts, own.part_steps).stage


def _extension(inputs: Inputs[Composition], model: str) -> Iterator[Quantity]:
    """After SFT with pairs: the changes from SFT to RL."""
    own = inputs.experiment
    trained, (after, before) = own.rl_parts, _groups(inputs, model, _KIND)

    def name(measure: str, parts: object) -> str:
        return f"SFT with {own.sft_parts[model]} parts: {measure} on {parts} parts, RL less SFT"

    all_parts = Subset(parts=trained)
    yield Ask(name("verified", trained), GAIN, all_parts).change(after, before, "verified")
    for parts in trained.values():
        ask = Ask(name("verified", parts), GAIN, Subset(parts=single(parts)), primary=False)
        yield ask.change(after, before, "verified")
    ask = Ask(name("pass@1", trained), GAIN, all_parts, primary=False)
    yield ask.change(after, before, "pass@1")
    ask = Ask(name("exact verified", trained), LOWER_BOUND, all_parts, primary=False)
    yield ask.change(*_groups(inputs, model, _EXACT), inputs.exact("verified"))


def _no_extension(inputs: Inputs[Composition], model: str) -> Iterator[Quantity]:
    """After SFT on single parts: the levels after RL, also by number of parts."""
    own, size = inputs.experiment, inputs.study.task.field_size
    trained, chance = own.rl_parts, baselines.chance(size)
    after, before = _groups(inputs, model, _KIND)
    where, on = f"on {trained} parts after RL on them", Subset(parts=trained)
    no_answers = Criterion("at chance within 5 points", high=chance + MARGIN)
    yield Ask(f"SFT with single parts: verified {where}", NOT_ACQUIRED, on).level(
        after, "verified", baseline_of(before, "verified", on)
    )
    for parts in trained.values():
        one = Subset(parts=single(parts))
        name = f"SFT with single parts: verified on {parts} parts after RL on {trained}"
        yield Ask(name, NOT_ACQUIRED, one, primary=False).level(
            after, "verified", baseline_of(before, "verified", one)
        )
    yield Ask(f"SFT with single parts: pass@1 {where}", no_answers, on, primary=False).level(
        after, "pass@1", f"chance: {chance:.3f}"
    )
    exact, verified = _groups(inputs, model, _EXACT), inputs.exact("verified")
    yield Ask(
        f"SFT with single parts: exact verified {where}", LOWER_BOUND, on, primary=False
    ).level(exact[0], verified, baseline_of(exact[1], verified, on))


if __name__ == "__main__":
    run_stage(__doc__)
