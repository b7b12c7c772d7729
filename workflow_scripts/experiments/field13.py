"""Another field: test whether the main results hold on GF(13).

python -m workflow_scripts.experiments.field13 PLAN

GF(p) is the field of the integers modulo a prime p, in which the programs compute.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from workflow_scripts.common.jobs import run_stage
from workflow_scripts.evaluate.metrics import Subset
from workflow_scripts.experiments.experiment import (
    Change,
    ClaimPart,
    Experiment,
    Measured,
    Product,
    require_rl_steps,
)
from workflow_scripts.experiments.runs import Changes, Grid, Member, Models, Prompts
from workflow_scripts.report.accuracy import draw_by_type, table_by_type
from workflow_scripts.report.criteria import GAPS, NEAR_PERFECT
from workflow_scripts.report.inputs import SFT, Inputs, rl_stage
from workflow_scripts.report.quantities import Ask, Quantity, baseline_of
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import Table
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, Range

_FIELD_SIZE = "task.field_size"


class Field13(Experiment):
    """SFT, then RL as in the main experiment, on problems over a field of another size."""

    name: ClassVar[str] = "field13"

    field_size: int
    """Number of elements of the other field, a prime."""
    models: Annotated[list[ModelName], Distinct]
    """The models, named after the strategies in their SFT data: F forward, B backward, FB both."""
    rl_steps: Annotated[list[Range], Distinct]
    """Number of steps of the problems in each RL prompt set, from easier to harder."""

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if there are too few variable names for the longest programs."""
        require_rl_steps(study, self.name, self.rl_steps)

    def variants(self) -> Iterator[dict[str, Change]]:
        """The overrides, together with the other field size."""
        for changes in super().variants():
            yield {**changes, _FIELD_SIZE: Change(self.field_size, "field_size")}

    @property
    def _changes(self) -> Changes:
        return {**self.overrides, _FIELD_SIZE: self.field_size}

    def spans(self) -> Sequence[Range]:
        """The range of steps of each RL prompt set."""
        return self.rl_steps

    def members(self, grid: Grid) -> Iterator[Member]:
        """Each model after SFT, and after RL on each prompt set."""
        data = grid.study.data
        prompts = tuple(Prompts.singles(data, steps) for steps in self.rl_steps)
        models = Models(self.models, self.seeds(grid.study))
        yield from grid.grow_models(models, prompts, self._changes)

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """A table like the paper's Table 1."""
        caption = "pass@1 after SFT and RL in another field, by problem type"
        return {self.name: Product(caption, _table)}

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """A figure like the main experiment's figure `accuracy`."""
        return {self.name: Product("Accuracy in another field, by problem type", _figure)}

    def claims(self) -> Measured:
        """The quantities for a part of claim C9."""
        return Measured({"C9": ClaimPart(_measure, ("tables/field13", "figures/field13"))})


def _table(inputs: Inputs[Field13]) -> Table:
    return table_by_type(inputs, {})


def _figure(inputs: Inputs[Field13]) -> Drawing:
    drawing = draw_by_type(inputs, inputs.experiment.field_size, {})
    beside = f"GF({inputs.study.task.field_size}) is in the figure accuracy, on the same axes"
    return Drawing(drawing.figure, f"{drawing.drawn_from}; {beside}")


def _measure(inputs: Inputs[Field13]) -> list[Quantity]:
    """Measure a part of claim C9: also in this field, FB selects the fitting strategy in RL."""
    on = Subset(steps=inputs.hardest)
    stage = rl_stage(inputs.experiment.rl_steps[-1])
    field = f"GF({inputs.experiment.field_size})"
    groups = {model: inputs.scores.find(model, stage) for model in ("F", "B", "FB")}
    name = f"{field}: FB after {stage}, pass@1 on {inputs.hardest} steps, both types"
    before = baseline_of(inputs.scores.find("FB", SFT), "pass@1", on)
    quantities = [Ask(name, NEAR_PERFECT, on).level(groups["FB"], "pass@1", before)]
    for single, gap in GAPS.items():
        name = (
            f"{field}: FB less {single} after {stage}, pass@1 on {inputs.hardest} steps, both types"
        )
        ask = Ask(name, gap, on)
        quantities.append(ask.change(groups["FB"], groups[single], "pass@1"))
    return quantities


if __name__ == "__main__":
    run_stage(__doc__)
