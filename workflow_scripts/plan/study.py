"""A study: the runs of its experiments, and the paths of their files.

Only this package defines paths of results and data. A member is a run as part of an experiment,
with its names in the experiment's tables (see experiments.runs).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workflow_scripts.common.errors import SettingError
from workflow_scripts.evaluate.collect import (
    ExactRun,
    RlTraining,
    RunName,
    SampledRun,
    SftValidation,
)
from workflow_scripts.experiments.experiment import Experiment
from workflow_scripts.experiments.runs import (
    Evaluation,
    Grid,
    MainRuns,
    Member,
    RlRun,
    SftData,
    SftRun,
    suffix,
)
from workflow_scripts.model.shape import HUB, Shape, read_shape
from workflow_scripts.plan.settings import Settings
from workflow_scripts.settings.base import BaseSettings
from workflow_scripts.settings.overrides import override
from workflow_scripts.settings.rl import RlSettings
from workflow_scripts.settings.sampling import EvaluationSize, ExactSettings, SamplingSettings
from workflow_scripts.settings.sft import SftSettings
from workflow_scripts.settings.values import Range
from workflow_scripts.task.datasets import SPLITS
from workflow_scripts.task.mixes import Singles, ValidationMix
from workflow_scripts.task.task import Task

Run = SftRun | RlRun

SHIPPED_BASES = Path("data/base")
_SHIPPED = f"{SHIPPED_BASES}/{{task}}/model"  # the value of model.base for the models there


@dataclass(frozen=True)
class Study:
    """The runs, evaluations and paths that follow from validated settings."""

    settings: Settings

    @property
    def tier(self) -> str:
        """The name of the tier, which is also the name of its folders below data/ and results/."""
        return self.settings.tier

    @property
    def results(self) -> str:
        """The folder of all results."""
        return f"results/{self.tier}"

    # ---- experiments and their runs -----------------------------------------------------------

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """The enabled experiments by name."""
        every = self.settings.experiments.all()
        return {experiment.name: experiment for experiment in every if experiment.enabled}

    @cached_property
    def main(self) -> MainRuns:
        """The properties of the main experiment that others use, even if it is not enabled."""
        main, shared = self.settings.main, self.settings.shared
        models, spans = tuple(main.models), tuple(main.rl_steps)
        return MainRuns(models, spans, override(shared, main.overrides))

    @cached_property
    def _planned(self) -> tuple[Grid, dict[str, list[Member]]]:
        grid, members = Grid(self.settings.shared, self.main), {}
        for name, experiment in self.experiments.items():
            # Members run in this order: by seed, and FB first, because the main results need FB.
            members[name] = sorted(
                experiment.members(grid), key=lambda each: (each.run.seed, "FB" not in each.model)
            )
        return grid, members

    @property
    def sft_runs(self) -> dict[str, SftRun]:
        """The SFT runs of all experiments by name."""
        return self._planned[0].sft

    @property
    def rl_runs(self) -> dict[str, RlRun]:
        """The RL runs of all experiments by name."""
        return self._planned[0].rl

    @property
    def members(self) -> dict[str, list[Member]]:
        """The members of each enabled experiment, in the order in which they should run."""
        return self._planned[1]

    @cached_property
    def runs(self) -> dict[str, Run]:
        """All runs by name."""
        return {**self.sft_runs, **self.rl_runs}

    @property
    def hardest_run(self) -> RlRun:
        """Of the main experiment's RL runs on the hardest prompts, the first in the plan."""
        runs = (member.run for member in self.members["main"])
        steps = str(self.main.hardest)
        return next(run for run in runs if isinstance(run, RlRun) and run.prompts.name == steps)

    @cached_property
    def priorities(self) -> dict[str, int]:
        """The priority of each run; a higher number runs first.

        Runs of earlier experiments come first. Within an experiment, earlier seeds come first.
        """
        order: list[str] = []
        for members in self.members.values():
            for member in members:
                order += [member.run.sft.name, member.run.name]
        order = list(dict.fromkeys(order))
        return {name: len(order) - index for index, name in enumerate(order)}

    def sampling_priority(self, run: str, evaluation: str) -> int:
        """The priority of an evaluation of a run, usually the run's own priority.

        Table 1 needs none of the evaluations pass_at_k and checkpoints. They have the priority of
        the main experiment's last run.
        """
        if evaluation in ("pass_at_k", "checkpoints"):
            return min(self.priorities[member.run.name] for member in self.members["main"])
        return self.priorities[run]

    # ---- data ---------------------------------------------------------------------------------

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The task of the problems in each data folder."""
        return {run.data_folder: run.settings.task for run in self.sft_runs.values()}

    @cached_property
    def validation_kinds(self) -> dict[str, ValidationMix]:
        """The mix of problems of each kind of validation set.

        Kinds of experiments that are not enabled are included. Training data exclude the problems
        of all kinds, so enabling one experiment does not change the data of another.
        """
        kinds: dict[str, ValidationMix] = {
            "steps": Singles(self.settings.data.validation_steps.values())
        }
        for experiment in self.settings.experiments.all():
            kinds |= experiment.validation(self.settings)
        return kinds

    def validation_file(self, data_folder: str, kind: str) -> str:
        """The file of validation problems of a kind, for the split that the settings report."""
        return f"{data_folder}/{self.settings.sampling.validation}-{kind}.jsonl"

    def problems_file(self, run: Run, evaluation: str) -> str:
        """The file of the problems on which an evaluation samples a run."""
        return self.validation_file(run.data_folder, self.evaluations[evaluation].problems)

    def sft_file(self, run: SftRun) -> str:
        """The file of the SFT examples of a run."""
        return f"{run.data_folder}/sft-{run.data.name}-s{run.seed}.jsonl"

    def heldout_files(self, run: SftRun) -> list[str]:
        """The held-out sets of a run, one for each split (dev and confirm).

        SFT validates on both sets. If the reported split changes, SFT therefore need not run again.
        """
        return [f"{run.data_folder}/{heldout_name(split, run.data)}.jsonl" for split in SPLITS]

    def prompts_file(self, run: RlRun) -> str:
        """The file of the prompts of an RL run."""
        return f"{run.data_folder}/rl-{run.prompts.name}-s{run.seed}.jsonl"

    # ---- base models --------------------------------------------------------------------------

    @property
    def base_tasks(self) -> dict[str, Task]:
        """The task of each base model, by the model's name: gf11, gf13, gf11-asks=any."""
        return {_base_name(task): task for task in self.tasks.values()}

    def base_settings(self, name: str) -> BaseSettings:
        """The settings that determine a base model."""
        task, settings = self.base_tasks[name], self.settings
        return BaseSettings(task=task.for_base, model=settings.model.compute, base=settings.base)

    def base_folder(self, run: SftRun) -> str:
        """The folder of a run's base model.

        If model.base means the models shipped with the project, and none is shipped for the run's
        task, the study trains one in its results.
        """
        base, name = run.settings.model.base, _base_name(run.settings.task)
        if base == _SHIPPED and not (SHIPPED_BASES / name).is_dir():
            return f"{self.results}/base/{name}/model"
        return base.format(task=name)

    @property
    def unshipped_base_models(self) -> list[str]:
        """The base models that the study trains since none is shipped: gf7, gf7-asks=any."""
        folders = {
            self.base_folder(run): _base_name(run.settings.task)
            for run in self.sft_runs.values()
            if run.settings.model.base == _SHIPPED
        }
        return [name for folder, name in folders.items() if self.is_trained_here(folder)]

    def is_trained_here(self, base_folder: str) -> bool:
        """Whether the rule `base_model` trains the base model in a folder."""
        return base_folder.startswith(f"{self.results}/base/")

    def base_shape(self, run: SftRun) -> Shape:
        """The shape of a run's base model, even before the model exists.

        A shape has the sizes of the layers and of the vocabulary.
        """
        model, folder = run.settings.model, self.base_folder(run)
        if not self.is_trained_here(folder):
            config = Path(folder) / "config.json"
            if not config.is_file() and model.hub and model.hub.repository in HUB:
                return HUB[model.hub.repository]
            return read_shape(config)
        return self.trained_shape(run.settings.task)

    def trained_shape(self, task: Task) -> Shape:
        """The shape of the base model that the rule `base_model` trains for a task."""
        # The number of tokens that model.tokenizer defines, counted without making a tokenizer.
        vocabulary = 16 + 2 * task.n_variables + 6 * task.field_size
        return Shape.of_base(self.settings.base, vocabulary)

    def require_base_models(self) -> None:
        """Raise SettingError if a base model is missing and no rule makes it."""
        made = [f"{self.results}/hub/model"] if self.settings.model.hub else []
        made += [f"{self.results}/base/{name}/model" for name in self.base_tasks]
        for folder in map(self.base_folder, self.sft_runs.values()):
            if folder not in made and not (Path(folder) / "manifest.json").is_file():
                allowed = (
                    "a folder with a model and its manifest.json; to train one here, set "
                    "model.base to results/{tier}/base/{task}/model".replace("{tier}", self.tier)
                )
                if self.settings.model.hub:
                    allowed += f", or to {self.results}/hub/model for the model of model.hub"
                raise SettingError("model.base", folder, allowed)

    # ---- training -----------------------------------------------------------------------------

    def run_folder(self, run: Run) -> str:
        """The folder of a run."""
        return f"{self.results}/{self.run_name(run)}"

    def run_name(self, run: Run) -> str:
        """The name of the job that trains a run."""
        return f"{run.folder}/{run.name}"

    def sft_settings(self, run: SftRun) -> SftSettings:
        """The settings that determine an SFT run, together with its seed, data and base model."""
        return SftSettings(model=run.settings.model.trained, sft=run.settings.sft)

    def rl_settings(self, run: RlRun) -> RlSettings:
        """The settings that determine an RL run, together with its seed, prompts and SFT model."""
        return RlSettings(model=run.settings.model.trained, rl=run.settings.rl)

    # ---- evaluation ---------------------------------------------------------------------------

    @cached_property
    def evaluations(self) -> dict[str, Evaluation]:
        """All evaluations by name: four that every study has, then those that experiments add."""
        sampling, passes = self.settings.sampling, self.settings.sampling.pass_at_k
        size = EvaluationSize(n_samples=sampling.n_samples)
        few = EvaluationSize(
            n_samples=passes.n_samples,
            n_problems=passes.n_problems,
            longer_than=self.settings.data.sft_steps.high,
        )
        evaluations = [
            Evaluation("steps", "steps", size),
            Evaluation("pass_at_k", "steps", few),
            Evaluation("exact", "steps", temperatures=tuple(sampling.exact_temperatures)),
            Evaluation(
                "checkpoints", "steps", temperatures=(sampling.temperature,), checkpoints=True
            ),
        ]
        for experiment in self.settings.experiments.all():
            evaluations += experiment.evaluations(self.settings)
        return {evaluation.name: evaluation for evaluation in evaluations}

    def evaluations_of(self, experiment: str) -> list[str]:
        """The names of the evaluations in which an experiment's runs are sampled."""
        members = self.members[experiment]
        return [name for name in self.evaluations if any(name in m.evaluations for m in members)]

    def sampling_settings(self, run: Run) -> SamplingSettings:
        """The settings that determine the rollouts of a run, together with models and problems."""
        settings = run.settings
        return SamplingSettings(
            model=settings.model.compute,
            sampling=settings.sampling.decoding,
            max_new_tokens=settings.rl.max_new_tokens,
        )

    def exact_settings(self, run: Run, evaluation: str) -> ExactSettings:
        """The settings of an exact evaluation of a run."""
        temperatures = list(self.evaluations[evaluation].temperatures)
        return ExactSettings(model=run.settings.model.compute, temperatures=temperatures)

    def evaluated_models(self, run: Run, evaluation: str) -> dict[int, str]:
        """The folders of the models that are evaluated, by RL step (0 for SFT)."""
        folder = self.run_folder(run)
        if self.evaluations[evaluation].checkpoints:
            scored = run.settings.rl.scored_steps
            return {step: f"{folder}/checkpoints/step-{step}" for step in scored}
        steps = run.settings.rl.steps if isinstance(run, RlRun) else 0
        return {steps: f"{folder}/model"}

    def evaluation_file(self, run: Run, evaluation: str) -> str:
        """The file of a run's rollouts, or of its exact measures, in an evaluation."""
        folder = self.evaluations[evaluation].folder
        return f"{self.results}/{folder}/{run.name}/{evaluation}.parquet"

    def labels_file(self, run: Run, evaluation: str) -> str:
        """The file of the strategy labels of a run's rollouts in an evaluation."""
        return f"{self.results}/labels/{run.name}/{evaluation}.parquet"

    # ---- collecting ---------------------------------------------------------------------------

    @property
    def spans(self) -> list[Range]:
        """The ranges of steps for which metrics are estimated."""
        spans = [self.settings.data.sft_steps]
        for experiment in self.settings.experiments.all():
            spans += experiment.spans()
        return list(dict.fromkeys(spans))

    @cached_property
    def collections(self) -> dict[str, list[Member]]:
        """The members whose RL training rollouts are collected into one file, by collection.

        There is one collection for each experiment, and one for each subset that an experiment
        defines.
        """
        parts: dict[str, list[Member]] = {}
        for name, experiment in self.experiments.items():
            parts |= experiment.collections(self.members[name])
        return {**self.members, **parts}

    def evaluated(self, experiment: str, evaluation: str) -> list[Member]:
        """An experiment's members that have an evaluation."""
        return [each for each in self.members[experiment] if evaluation in each.evaluations]

    def sampled(self, experiment: str, evaluation: str) -> list[SampledRun]:
        """An experiment's runs that an evaluation samples, with the files of their rollouts."""
        return [
            SampledRun(
                _name(member),
                Path(self.evaluation_file(member.run, evaluation)),
                Path(self.labels_file(member.run, evaluation)),
                Path(self.problems_file(member.run, evaluation)),
            )
            for member in self.evaluated(experiment, evaluation)
        ]

    def scored_exactly(self, experiment: str, evaluation: str) -> list[ExactRun]:
        """An experiment's runs in an exact evaluation, with the files of their measures."""
        return [
            ExactRun(
                _name(member),
                Path(self.evaluation_file(member.run, evaluation)),
                Path(self.problems_file(member.run, evaluation)),
            )
            for member in self.evaluated(experiment, evaluation)
        ]

    def sft_validated(self, experiment: str) -> list[SftValidation]:
        """The SFT runs of an experiment, with their records and reported held-out sets."""
        split = self.settings.sampling.validation
        return [
            SftValidation(
                _name(member),
                Path(f"{self.run_folder(member.run)}/run.json"),
                heldout_name(split, member.run.data),
            )
            for member in self.members[experiment]
            if isinstance(member.run, SftRun)
        ]

    def rl_trained(self, collection: str) -> list[RlTraining]:
        """The RL runs of a collection, with the logs of their training rollouts."""
        return [
            RlTraining(_name(member), Path(f"{self.run_folder(member.run)}/rollouts.csv"))
            for member in self.collections[collection]
            if isinstance(member.run, RlRun)
        ]


def heldout_name(split: str, data: SftData) -> str:
    """The name of a held-out set: validation problems of a split, solved as in the SFT data."""
    return f"heldout-{split}-{data.name}"


def _base_name(task: Task) -> str:
    asks = {} if task.asks == "last" else {"asks": task.asks}
    return f"gf{task.field_size}{suffix(asks)}"


def _name(member: Member) -> RunName:
    run = member.run
    names = (member.model, member.stage, member.condition)
    return RunName(*names, run.seed, run.sft.family, run.name)
