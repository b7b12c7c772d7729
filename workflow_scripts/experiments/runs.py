"""The parts of experiments: data mixes, SFT and RL runs, evaluations, members.

The name of a run has all settings in which the run differs from the study's, so equal runs have
equal names, and experiments share them. No code reads settings from a name.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, ClassVar, TypeVar

from workflow_scripts.common.errors import StudyError
from workflow_scripts.common.jobs import flatten
from workflow_scripts.settings.data import Data
from workflow_scripts.settings.overrides import override
from workflow_scripts.settings.sampling import EvaluationSize
from workflow_scripts.settings.strategies import ModelName, model_of_share, percent
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Range
from workflow_scripts.task.mixes import (
    Compositions,
    PromptMix,
    PromptSingles,
    SftMix,
    SolvedSingles,
)

SFT = "SFT"
# Settings with these prefixes define an SFT run and its rollouts. The others concern RL alone.
_SFT_KEYS = ("task.", "model.", "sft.", "rl.max_new_tokens")

Changes = Mapping[str, Any]  # new values of settings by dotted key


@dataclass(frozen=True)
class SftData:
    """The SFT data of a run, for any seed.

    heldout is the kind of validation problems from which its held-out set is made.
    """

    name: str
    mix: SftMix
    n_examples: int
    heldout: str

    @classmethod
    def singles(cls, data: Data, backward_share: float) -> "SftData":
        """SFT data of single problems of data.sft_steps; a share of them is solved backward."""
        mix = SolvedSingles(backward_share, data.sft_steps.values())
        return cls(model_of_share(backward_share), mix, data.sft_examples, "steps")


@dataclass(frozen=True)
class Prompts:
    """An RL prompt set.

    label is its name in stages, such as RL(6-9). Unlike name, it has no share of evaluation.
    """

    name: str
    label: str
    mix: PromptMix
    n_prompts: int

    @classmethod
    def singles(cls, data: Data, steps: Range, evaluation_share: float | None = None) -> "Prompts":
        """Prompts of single problems. The name has the share of evaluation if not the study's."""
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
        """The name of RL on these prompts, in tables and figures."""
        return f"RL({self.label})"


@dataclass(frozen=True)
class SftRun:
    """One SFT run. settings are the study's with the run's changes."""

    name: str
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
        """The seed of SFT and of RL."""
        return self.sft.seed

    @property
    def data_folder(self) -> str:
        """The folder of its data sets."""
        return self.sft.data_folder


@dataclass(frozen=True)
class Evaluation:
    """How runs are sampled on a validation set.

    problems is the kind of the set, size the number of problems and of samples. checkpoints says
    that the models at rl.scored_steps are sampled, instead of the final one.
    """

    name: str
    problems: str
    size: EvaluationSize
    checkpoints: bool = False


@dataclass(frozen=True)
class Member:
    """A run in an experiment: its names in tables and figures, and its evaluations.

    condition distinguishes runs of the same model and stage, such as those of another setting.
    """

    run: SftRun | RlRun
    model: str
    stage: str
    condition: str
    evaluations: tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """An SFT run and the RL runs that start from it, for any seed.

    changes are the changes of settings of all of them. See Member for model and condition.
    """

    model: str
    data: SftData
    prompts: tuple[Prompts, ...]
    changes: Changes
    condition: str = ""
    evaluations: tuple[str, ...] = ("steps",)


@dataclass(frozen=True)
class MainRuns:
    """The properties of the main experiment that other experiments use."""

    models: tuple[ModelName, ...]
    rl_steps: tuple[Range, ...]
    settings: StudySettings

    @property
    def hardest(self) -> Range:
        """The steps of its hardest RL prompts, which most other experiments use too."""
        return self.rl_steps[-1]

    def holds(self, run: SftRun, prompts: Prompts, settings: StudySettings) -> bool:
        """Whether the main experiment has this RL run."""
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

    It depends on the settings of the task alone. Each change of these has its own folder.
    """
    task, own = settings.task, vars(study.task)
    changes = {key: value for key, value in vars(task).items() if value != own[key]}
    changes.pop("field_size", None)
    return f"data/{study.tier}/gf{task.field_size}{suffix(changes)}"


Run = TypeVar("Run", SftRun, RlRun)


def _add(runs: dict[str, Run], run: Run) -> Run:
    """Add a run, or return the equal run that is known.

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
    """The runs of all experiments by name, each once. The experiments add them."""

    study: StudySettings
    main: MainRuns
    sft: dict[str, SftRun] = field(default_factory=dict)
    rl: dict[str, RlRun] = field(default_factory=dict)

    @property
    def hardest(self) -> Prompts:
        """The hardest RL prompts of the main experiment."""
        return Prompts.singles(self.study.data, self.main.hardest)

    def grow(self, branch: Branch, seed: int) -> Iterator[Member]:
        """Add the runs of a branch. Yields the SFT run as a member, then the RL runs."""
        sft = self.add_sft(branch.data, seed, branch.changes)
        final = tuple(name for name in branch.evaluations if name != "checkpoints")
        yield Member(sft, branch.model, SFT, branch.condition, final)
        for prompts in branch.prompts:
            run = self.add_rl(sft, prompts, branch.changes)
            sampled = branch.evaluations if run.settings.rl.scored_steps else final
            yield Member(run, branch.model, prompts.stage, branch.condition, sampled)

    def add_sft(self, data: SftData, seed: int, changes: Changes) -> SftRun:
        """Add the SFT run of a data mix and a seed, with some changes of settings."""
        mine = _of_sft(changes)
        settings = override(self.study, mine)
        prefix = ""
        if settings.task.field_size != self.study.task.field_size:
            prefix = f"gf{settings.task.field_size}-"
        named = self._differing(settings, mine)
        named.pop("task.field_size", None)
        name = f"{prefix}{data.name}-s{seed}{suffix(named)}"
        folder = data_folder(self.study, settings)
        return _add(self.sft, SftRun(name, data, seed, settings, folder))

    def add_rl(self, sft: SftRun, prompts: Prompts, changes: Changes) -> RlRun:
        """Add an RL run from an SFT run. Only main's runs save models at rl.scored_steps."""
        settings = override(self.study, changes)
        if not self.main.holds(sft, prompts, settings):
            settings = override(settings, {"rl.scored_steps": changes.get("rl.scored_steps", [])})
        mine = self._differing(settings, changes.keys() - _of_sft(changes).keys())
        name = f"{sft.name}-rl{prompts.name}{suffix(mine)}"
        return _add(self.rl, RlRun(name, sft, prompts, settings))

    def _differing(self, settings: StudySettings, keys: Collection[str]) -> dict[str, Any]:
        """The values of those keys whose value differs from the study's."""
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
