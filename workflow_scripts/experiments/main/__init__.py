"""The main experiment: F, B and FB after SFT on short problems, then RL at two difficulties.

    python -m workflow_scripts.experiments.main PLAN

F has forward solutions in its SFT data, B backward ones, and FB both. Each of the paper's two
mechanisms has a module: `selection` (claims C1, C2, C6) and `improvement` (C3, C4). `pass_at_k`
measures C5.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field

from workflow_scripts.experiments.experiment import (
    ClaimPart,
    Experiment,
    Measured,
    Product,
    require_rl_steps,
)
from workflow_scripts.experiments.main import (
    improvement,
    mechanisms,
    mistakes,
    pass_at_k,
    selection,
    sharpening,
    short_problems,
)
from workflow_scripts.experiments.runs import STEPS, Grid, Member, Models, Prompts
from workflow_scripts.report.inputs import rl_stage
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import Table
from workflow_scripts.settings.strategies import ModelName
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Distinct, Range

# Collections of FB's RL runs on the hardest prompts: of all seeds, and of the first one.
_SELECTION, _FIRST_SEED = "selection", "first-seed"


class Main(Experiment):
    """F, B and FB after SFT, then after RL on problems as long as those of SFT, or longer."""

    name: ClassVar[str] = "main"

    models: Annotated[list[ModelName], Distinct]
    """The models, named after the strategies in their SFT data: F forward, B backward, FB both."""
    rl_steps: Annotated[list[Range], Field(min_length=1), Distinct]
    """Number of steps of the problems in each RL prompt set, from easier to harder."""

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if there are too few variable names for the longest programs."""
        require_rl_steps(study, self.name, self.rl_steps)

    def spans(self) -> Sequence[Range]:
        """The range of steps of each RL prompt set."""
        return self.rl_steps

    def members(self, grid: Grid) -> Iterator[Member]:
        """Each model after SFT, and after RL on each prompt set."""
        data = grid.study.data
        prompts = tuple(Prompts.singles(data, steps) for steps in self.rl_steps)
        evaluations = (*STEPS, "pass_at_k", "checkpoints")
        models = Models(self.models, self.seeds(grid.study), evaluations)
        yield from grid.grow_models(models, prompts, self.overrides)

    def collections(self, members: list[Member]) -> dict[str, list[Member]]:
        """FB's RL runs on the hardest prompts: all of them, and that of the first seed alone.

        The latter allows an early version of the figure `selection`.
        """
        hardest = rl_stage(self.rl_steps[-1])
        runs = [member for member in members if (member.model, member.stage) == ("FB", hardest)]
        return {_SELECTION: runs, _FIRST_SEED: runs[:1]} if runs else {}

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """Table 1 of the paper, the models after SFT, and all models on short problems."""
        return {
            "table1": Product("pass@1 after SFT and RL, by problem type", selection.table1),
            "sft": Product(
                "The models after SFT, on problems as long as those of SFT",
                selection.sft_table,
                sft=True,
            ),
            "short_problems": Product(
                "What RL on hard problems costs on problems as short as those of SFT",
                short_problems.table,
                reading=short_problems.READING,
            ),
        }

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """The paper's figures. `selection` is drawn from all seeds, and also from the first one."""
        return {
            **self._selection(study),
            **self._mechanisms(study),
            "mistakes": Product(
                "The first mistake of responses that use the fitting strategy",
                mistakes.draw,
                mistakes=True,
                reading=mistakes.READING,
            ),
            "routing": Product("Strategies of FB by problem type", selection.draw_routing),
            "dynamics": Product(
                "Accuracy and share of the fitting strategy during RL",
                partial(improvement.draw_dynamics, models=self.models, spans=self.rl_steps),
                scores=(),
                training=self.name,
            ),
            "time_scales": Product(
                "FB: selection is fast, improvement slow",
                improvement.draw_time_scales,
                scores=(),
                training=self.name,
            ),
            "accuracy": Product("Accuracy after SFT and RL, by problem type", selection.accuracy),
            "steps": Product("Accuracy by number of steps", improvement.draw_steps),
            "pass_at_k": Product(
                "pass@k before and after RL",
                pass_at_k.draw,
                scores=("pass_at_k", "exact"),
                reading=pass_at_k.READING,
            ),
            "sharpening": Product(
                "What a lower temperature gives, before and after RL",
                sharpening.draw,
                scores=("exact",),
                reading=sharpening.READING,
            ),
        }

    def _selection(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        if "FB" not in self.models:
            return {}
        names = {_FIRST_SEED: "selection-first-seed", _SELECTION: "selection"}
        if len(self.seeds(study)) == 1:
            del names[_FIRST_SEED]
        caption = "Strategy selection: FB during RL"
        return {
            name: Product(caption, selection.draw_selection, scores=(), training=collection)
            for collection, name in names.items()
        }

    def _mechanisms(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        if "FB" not in self.models:
            return {}
        scored = self.overrides.get("rl.scored_steps", study.rl.scored_steps)
        product = Product(
            "The two mechanisms: selection and execution of FB over RL",
            mechanisms.draw,
            scores=("exact", "checkpoints") if scored else ("exact",),
            training=self.name,
            reading=mechanisms.READING,
        )
        return {"mechanisms": product}

    def claims(self) -> Measured:
        """The quantities for claims C1 to C6."""
        parts = {
            "C1": ClaimPart(selection.measure, ("tables/table1", "tables/sft", "figures/accuracy")),
            "C2": ClaimPart(selection.measure_routing, ("figures/routing",)),
            "C3": ClaimPart(
                improvement.measure, ("tables/table1", "figures/steps", "figures/dynamics")
            ),
            "C4": ClaimPart(improvement.measure_time_scales, ("figures/time_scales",)),
            "C5": ClaimPart(pass_at_k.measure, ("figures/pass_at_k",)),
            "C6": ClaimPart(
                selection.measure_no_new_strategy,
                ("tables/table1", "figures/accuracy", "figures/pass_at_k"),
            ),
        }
        return Measured(parts, scores=("steps", "pass_at_k", "exact"), training=self.name)
