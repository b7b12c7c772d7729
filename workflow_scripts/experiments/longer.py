"""Longer problems: measure how far RL on longer problems extends a strategy.

python -m workflow_scripts.experiments.longer PLAN
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

import pandas as pd

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Subset
from workflow_scripts.experiments.experiment import ClaimPart, Experiment, Measured, Product
from workflow_scripts.experiments.runs import (
    STEPS,
    Evaluation,
    Grid,
    Member,
    Models,
    Prompts,
)
from workflow_scripts.report.accuracy import draw_by_steps
from workflow_scripts.report.criteria import GAIN
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import MIX_NOTE, TYPES, Table, table_row
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.study import StudySettings, require_variables
from workflow_scripts.settings.values import Distinct, Range, require, single
from workflow_scripts.task.mixes import Singles, ValidationMix
from workflow_scripts.task.solutions import solution_words

_KIND = "longer"  # the kind of validation problems, and the name of the evaluation on them
_EXACT = "longer_exact"  # the exact evaluation on these problems
_SAMPLED = ("steps", _KIND)


class Longer(Experiment):
    """SFT, then RL on problems that are longer than those of the main experiment."""

    name: ClassVar[str] = "longer"

    models: Annotated[list[ModelName], Distinct]
    """The models, named after the strategies in their SFT data: F forward, B backward, FB both."""
    rl_steps: Range
    """Number of steps of the problems in RL. Some must be longer than all validation problems."""

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if there are too few variable names for the longest programs.

        Raises SettingError too unless the longest RL problems have more steps than the longest
        validation problems of data.validation_steps.
        """
        key, longest = f"experiments.{self.name}.rl_steps.high", self.rl_steps.high
        require_variables(study.task, key, longest)
        known = study.data.validation_steps.high
        allowed = f"more than data.validation_steps.high, which is {known}"
        require(longest > known, key, longest, allowed)

    def longest_responses(self, study: StudySettings) -> dict[str, int]:
        """A solution of the longest program."""
        longest = self.rl_steps.high
        return {f"a solution of {longest} steps": solution_words(study.task.form, longest)}

    def spans(self) -> Sequence[Range]:
        """The range of steps of the RL prompts."""
        return [self.rl_steps]

    def validation(self, study: StudySettings) -> dict[str, ValidationMix]:
        """One kind of validation problems, "longer".

        Its problems have those numbers of steps of RL that are above data.validation_steps.
        """
        known = study.data.validation_steps.high
        return {_KIND: Singles(tuple(n for n in self.rl_steps.values() if n > known))}

    def evaluations(self, study: StudySettings) -> list[Evaluation]:
        """A sampled and an exact evaluation, on all problems of the kind "longer"."""
        return Evaluation.pair(_KIND, _EXACT, study.sampling)

    def members(self, grid: Grid) -> Iterator[Member]:
        """Each model after SFT, after the main experiment's RL, and after RL on longer problems.

        Of the main experiment's RL, only the run on the hardest prompts is used.
        """
        data = grid.study.data
        prompts = (grid.hardest, Prompts.singles(data, self.rl_steps))
        models = Models(self.models, self.seeds(grid.study), (*STEPS, _KIND, _EXACT))
        yield from grid.grow_models(models, prompts, self.overrides)

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """A table of accuracy by number of steps."""
        caption = "pass@1 by number of steps after RL on longer problems"
        return {self.name: Product(caption, _table, scores=_SAMPLED)}

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """A figure of accuracy by number of steps."""
        caption = "Accuracy after RL on longer problems"
        return {self.name: Product(caption, _figure, scores=_SAMPLED)}

    def claims(self) -> Measured:
        """The quantities for a part of claim C9."""
        return Measured({"C9": ClaimPart(_measure, ("figures/longer",))}, scores=(_KIND,))


def _table(inputs: Inputs[Longer]) -> Table:
    """pass@1 by number of steps. The pages show it on all lengths of SFT, of RL, and beyond."""
    rows = []
    for model in inputs.models:
        for type in TYPES:
            for stage in inputs.stages(model=model):
                keys = {"model": model, "type": type, "stage": stage}
                for evaluation in _SAMPLED:
                    group = inputs.scores.group(model, stage, evaluation=evaluation)
                    for steps in [
                        *map(single, group.values("steps")),
                        *_ranges(inputs, evaluation),
                    ]:
                        estimate = group.estimate("pass@1", Subset(type, steps))
                        rows.append(table_row({**keys, "steps": _steps_name(steps)}, estimate))
    notes = (
        f"pass@1 as a fraction. {MIX_NOTE}",
        "The CSV file has each number of steps, and so has the figure.",
    )
    ranges = [each for evaluation in _SAMPLED for each in _ranges(inputs, evaluation)]
    shown = tuple(map(_steps_name, ranges))
    names = {name: f"{name} steps" for name in shown}
    return Table(
        pd.DataFrame(rows), ["model", "type", "stage"], "steps", notes, shown=shown, names=names
    )


def _ranges(inputs: Inputs[Longer], evaluation: str) -> list[Range]:
    """The ranges of steps that an evaluation has: those of SFT and of main's RL, or longer ones."""
    if evaluation != _KIND:
        return [inputs.study.data.sft_steps, inputs.hardest]
    low = inputs.study.data.validation_steps.high + 1
    return [Range(low=low, high=inputs.experiment.rl_steps.high)]


def _steps_name(steps: Range) -> str:
    return str(steps.low if steps.low == steps.high else steps)


def _figure(inputs: Inputs[Longer]) -> Drawing:
    prompts = {rl_stage(steps): steps for steps in (inputs.hardest, inputs.experiment.rl_steps)}
    return draw_by_steps(inputs, _SAMPLED, {SFT: inputs.study.data.sft_steps, **prompts})


def _measure(inputs: Inputs[Longer]) -> list[Quantity]:
    """Measure a part of claim C9: RL on longer problems improves FB beyond validation's lengths.

    The problems have more steps than the usual validation problems. The comparison is with FB after
    SFT.
    """
    trained = inputs.experiment.rl_steps
    after, before = (
        inputs.scores.find("FB", stage, evaluation=_KIND) for stage in (rl_stage(trained), SFT)
    )
    low = inputs.study.data.validation_steps.high + 1
    name = (
        f"FB: pass@1 on {low}-{trained.high} steps, both types, after {rl_stage(trained)} less SFT"
    )
    return [Ask(name, GAIN).change(after, before, "pass@1")]


if __name__ == "__main__":
    run_stage(__doc__)
