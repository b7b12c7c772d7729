"""The building blocks of experiments: data mixes, SFT and RL runs, evaluations, members.

The name of a run contains all settings in which the run differs from the study's settings. Equal
runs therefore have equal names, and several experiments can share a run. No code reads settings
from a name.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar, TypeVar

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import flatten
from workflow_scripts.report.inputs import SFT, rl_stage
from workflow_scripts.settings.data import Data
from workflow_scripts.settings.overrides import override
from workflow_scripts.settings.sampling import EvaluationSize, Sampling
from workflow_scripts.settings.strategies import BACKWARD_SHARE, ModelName, model_of_share, percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Range
from workflow_scripts.task.mixes import (
    Compositions,
    PromptMix,
    PromptSingles,
    SftMix,
    SolvedSingles,
)

# Settings with these prefixes affect SFT runs and their rollouts. Other settings affect only RL, so
# SFT runs do not depend on them.
_SFT_KEYS = ("task.", "model.", "sft.", "rl.max_new_tokens")

# The evaluations of a run on problems of the kind "steps": sampled, and exact.
STEPS = ("steps", "exact")

Changes = Mapping[str, Any]  # the new values of changed settings, by dotted key


@dataclass(frozen=True)
class SftData:
    """The SFT data of a run, without a seed.

    mix says which problems and solutions the data hold. The held-out set of the run is made from
    the validation problems of the kind heldout.
    """

    name: str
    mix: SftMix
    n_examples: int
    heldout: str

    @classmethod
    def of_model(cls, data: Data, model: ModelName) -> "SftData":
        """The SFT data of one of the paper's models."""
        return cls.singles(data, BACKWARD_SHARE[model])

    @classmethod
    def singles(cls, data: Data, backward_share: float) -> "SftData":
        """SFT data of problems of one part. A share of the examples is solved backward."""
        mix = SolvedSingles(backward_share, data.sft_steps.values())
        return cls(model_of_share(backward_share), mix, data.sft_examples, "steps")


@dataclass(frozen=True)
class Prompts:
    """An RL prompt set.

    name identifies the set. label is the part of the stage's name that describes the prompts, such
    as 6-9 in RL(6-9); unlike name, label does not contain the share of evaluation problems.
    """

    name: str
    label: str
    mix: PromptMix
    n_prompts: int

    @classmethod
    def singles(cls, data: Data, steps: Range, evaluation_share: float | None = None) -> "Prompts":
        """Prompts of problems of one part with the given numbers of steps.

        The name contains the share of evaluation problems if this share differs from the study's.
        """
        share = data.rl_evaluation_share if evaluation_share is None else evaluation_share
        suffix = "" if share == data.rl_evaluation_share else f"-eval{percent(share)}"
        mix = PromptSingles(steps.values(), share)
        return cls(f"{steps}{suffix}", str(steps), mix, data.rl_prompts)

    @classmethod
    def compositions(cls, data: Data, parts: Range, part_steps: Range) -> "Prompts":
        """Prompts of problems of several parts."""
        name = f"{parts}-parts"
        return cls(name, name, Compositions(parts.values(), part_steps.values()), data.rl_prompts)

    @property
    def stage(self) -> str:
        """The name of RL on these prompts in tables and figures, such as RL(6-9)."""
        return rl_stage(self.label)


@dataclass(frozen=True)
class SftRun:
    """One SFT run. settings are the study's settings with the run's changes applied.

    family is the name without the seed: SFT runs of one family differ only in their seed.
    """

    name: str
    family: str
    data: SftData
    seed: int
    settings: StudySettings
    data_folder: str

    folder: ClassVar[str] = "sft"

    @property
    def sft(self) -> "SftRun":
        """The run itself, so that SFT and RL runs both have the attribute sft."""
        return self


@dataclass(frozen=True)
class RlRun:
    """One GRPO run that starts from the model of an SFT run."""

    name: str
    sft: SftRun
    prompts: Prompts
    settings: StudySettings

    folder: ClassVar[str] = "rl"

    @property
    def seed(self) -> int:
        """The seed of the SFT run and of this run."""
        return self.sft.seed

    @property
    def data_folder(self) -> str:
        """The folder of the run's data sets, which is the SFT run's."""
        return self.sft.data_folder


@dataclass(frozen=True)
class Evaluation:
    """How a run's models are evaluated on validation problems.

    problems is the kind of validation problems. size has the number of problems and of samples per
    problem. An evaluation without size samples nothing: its measures are exact (see
    evaluate.exact), at each of the given temperatures. If checkpoints is true, the models saved at
    the RL steps rl.scored_steps are evaluated instead of the final model.
    """

    name: str
    problems: str
    size: EvaluationSize | None = None
    temperatures: tuple[float, ...] = ()
    checkpoints: bool = False

    @property
    def folder(self) -> str:
        """The folder of the evaluation's results, by run: that of rollouts or of exact measures."""
        return "exact" if self.is_exact else "rollouts"

    @property
    def is_exact(self) -> bool:
        """Whether the measures are exact; else responses are sampled."""
        return self.size is None

    @classmethod
    def pair(cls, kind: str, exact: str, sampling: Sampling) -> list["Evaluation"]:
        """A sampled evaluation with the name of its kind of problems, and an exact one."""
        return [
            cls(kind, kind, EvaluationSize(n_samples=sampling.n_samples)),
            cls(exact, kind, temperatures=tuple(sampling.exact_temperatures)),
        ]


@dataclass(frozen=True)
class Member:
    """A run as part of an experiment: its names in tables and figures, and its evaluations.

    condition distinguishes runs of the same model and stage, such as runs with a changed setting.
    """

    run: SftRun | RlRun
    model: str
    stage: str
    condition: str
    evaluations: tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """An SFT run and the RL runs that start from its model, without a seed.

    changes are applied to the settings of all these runs. See Member for model and condition.
    """

    model: str
    data: SftData
    prompts: tuple[Prompts, ...]
    changes: Changes
    condition: str = ""
    evaluations: tuple[str, ...] = STEPS


@dataclass(frozen=True)
class Models:
    """Some of the paper's models, with each of the given seeds, and their evaluations."""

    names: Sequence[ModelName]
    seeds: Sequence[int]
    evaluations: tuple[str, ...] = STEPS


@dataclass(frozen=True)
class MainRuns:
    """The properties of the main experiment that other experiments use."""

    models: tuple[ModelName, ...]
    rl_steps: tuple[Range, ...]
    settings: StudySettings

    @property
    def hardest(self) -> Range:
        """The steps of the main experiment's hardest RL prompts.

        Most other experiments use these prompts too.
        """
        return self.rl_steps[-1]

    def holds(self, run: SftRun, prompts: Prompts, settings: StudySettings) -> bool:
        """Whether the main experiment has the RL run with this SFT run, prompts and settings."""
        same_data = run.data.name in self.models and prompts.name in map(str, self.rl_steps)
        return same_data and settings == self.settings


def suffix(changes: Changes) -> str:
    """The end of the name of a run with changed settings: ``-kl_coefficient=0.1``."""
    return "".join(
        f"-{key.split('.')[-1]}={re.sub(r'[^A-Za-z0-9_.=+-]+', '_', str(value)).strip('_')}"
        for key, value in sorted(changes.items())
    )


def data_folder(study: StudySettings, settings: StudySettings) -> str:
    """The folder of the data sets of runs with these settings.

    The folder depends only on the settings of the task. Each combination of changed task settings
    has its own folder.
    """
    task, own = settings.task, vars(study.task)
    changes = {key: value for key, value in vars(task).items() if value != own[key]}
    changes.pop("field_size", None)
    return f"data/{study.tier}/gf{task.field_size}{suffix(changes)}"


Run = TypeVar("Run", SftRun, RlRun)


def _add(runs: dict[str, Run], run: Run) -> Run:
    """Add a run, or return the equal run that was added before.

    Raises StudyError if a different run has the same name.
    """
    known = runs.setdefault(run.name, run)
    if known != run:
        one, other = (flatten(some.settings.model_dump()) for some in (known, run))
        key = next((key for key in one if one[key] != other.get(key)), "prompts")
        raise StudyError(
            f"{key}: {one.get(key)} and {other.get(key)} would give two runs the name {run.name}: "
            "choose values that differ in letters, digits or one of _.=+-"
        )
    return known


@dataclass
class Grid:
    """The runs of all experiments by name, each once. The experiments add their runs."""

    study: StudySettings
    main: MainRuns
    sft: dict[str, SftRun] = field(default_factory=dict)
    rl: dict[str, RlRun] = field(default_factory=dict)

    @property
    def hardest(self) -> Prompts:
        """The hardest RL prompts of the main experiment."""
        return Prompts.singles(self.study.data, self.main.hardest)

    def grow_models(
        self, models: Models, prompts: tuple[Prompts, ...], changes: Changes
    ) -> Iterator[Member]:
        """Add, for each seed and model, the SFT run and an RL run on each prompt set."""
        for seed in models.seeds:
            for name in models.names:
                data = SftData.of_model(self.study.data, name)
                branch = Branch(name, data, prompts, changes, evaluations=models.evaluations)
                yield from self.grow(branch, seed)

    def grow(self, branch: Branch, seed: int) -> Iterator[Member]:
        """Add the runs of a branch for a seed. Yields the SFT run, then the RL runs, as members."""
        sft = self.add_sft(branch.data, seed, branch.changes)
        final = tuple(name for name in branch.evaluations if name != "checkpoints")
        yield Member(sft, branch.model, SFT, branch.condition, final)
        for prompts in branch.prompts:
            run = self.add_rl(sft, prompts, branch.changes)
            sampled = branch.evaluations if run.settings.rl.scored_steps else final
            yield Member(run, branch.model, prompts.stage, branch.condition, sampled)

    def add_sft(self, data: SftData, seed: int, changes: Changes) -> SftRun:
        """Add the SFT run of a data mix and a seed, with changed settings."""
        mine = _of_sft(changes)
        settings = override(self.study, mine)
        prefix = ""
        if settings.task.field_size != self.study.task.field_size:
            prefix = f"gf{settings.task.field_size}-"
        named = self._differing(settings, mine)
        named.pop("task.field_size", None)
        name = f"{prefix}{data.name}-s{seed}{suffix(named)}"
        family = f"{prefix}{data.name}{suffix(named)}"
        folder = data_folder(self.study, settings)
        return _add(self.sft, SftRun(name, family, data, seed, settings, folder))

    def add_rl(self, sft: SftRun, prompts: Prompts, changes: Changes) -> RlRun:
        """Add to the grid an RL run that starts from an SFT run's model.

        Only the main experiment's runs of FB save models at the steps of rl.scored_steps, unless
        the changes set rl.scored_steps.
        """
        settings = override(self.study, changes)
        if sft.data.name != "FB" or not self.main.holds(sft, prompts, settings):
            settings = override(settings, {"rl.scored_steps": changes.get("rl.scored_steps", [])})
        mine = self._differing(settings, changes.keys() - _of_sft(changes).keys())
        name = f"{sft.name}-rl{prompts.name}{suffix(mine)}"
        return _add(self.rl, RlRun(name, sft, prompts, settings))

    def _differing(self, settings: StudySettings, keys: Collection[str]) -> dict[str, Any]:
        """The values of the given keys, for those keys whose value differs from the study's."""
        return {
            key: value_of(settings, key)
            for key in keys
            if value_of(settings, key) != value_of(self.study, key)
        }


def value_of(settings: StudySettings, key: str) -> Any:
    """The value of a setting by its dotted key."""
    return reduce(getattr, key.split("."), settings)


def _of_sft(changes: Changes) -> dict[str, Any]:
    return {key: value for key, value in changes.items() if key.startswith(_SFT_KEYS)}
