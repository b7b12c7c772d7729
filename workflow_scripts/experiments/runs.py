"""What experiments are made of: data mixes, SFT and RL runs, evaluations, members.

Names are derived from what they name and are never read back. A run's name says everything in which
it differs from the study's settings, so that experiments share the runs that are alike.
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
# What defines an SFT run, and its rollouts; an RL run adds what is left.
_SFT_KEYS = ("task.", "model.", "sft.", "rl.max_new_tokens")

Changes = Mapping[str, Any]  # of settings, by dotted keys


@dataclass(frozen=True)
class SftData:
    """The SFT data of a run, up to the seed. heldout is the kind of validation problems like it."""

    name: str
    mix: SftMix
    n_examples: int
    heldout: str

    @classmethod
    def singles(cls, data: Data, backward_share: float) -> "SftData":
        """Single problems as long as those of SFT, some share of them solved backward."""
        mix = SolvedSingles(backward_share, data.sft_steps.values())
        return cls(model_of_share(backward_share), mix, data.sft_examples, "steps")


@dataclass(frozen=True)
class Prompts:
    """An RL prompt set. label names it in stages: RL(6-9), whatever its share of evaluation."""

    name: str
    label: str
    mix: PromptMix
    n_prompts: int

    @classmethod
    def singles(cls, data: Data, steps: Range, evaluation_share: float | None = None) -> "Prompts":
        """Single problems; the name holds the share of evaluation where it is not the study's."""
        share = data.rl_evaluation_share if evaluation_share is None else evaluation_share
        suffix = "" if share == data.rl_evaluation_share else f"-eval{percent(share)}"
        mix = PromptSingles(steps.values(), share)
        return cls(f"{steps}{suffix}", str(steps), mix, data.rl_prompts)

    @classmethod
    def compositions(cls, data: Data, parts: Range, part_steps: Range) -> "Prompts":
        """Problems of several parts."""
        name = f"{parts}-parts"
        return cls(name, name, Compositions(parts.values(), part_steps.values()), data.rl_prompts)

    @property
    def stage(self) -> str:
        """How tables and figures call RL on these prompts."""
        return f"RL({self.label})"


@dataclass(frozen=True)
class SftRun:
    """One SFT model."""

    name: str
    data: SftData
    seed: int
    settings: StudySettings
    data_folder: str

    folder: ClassVar[str] = "sft"

    @property
    def sft(self) -> "SftRun":
        """The run itself."""
        return self


@dataclass(frozen=True)
class RlRun:
    """One GRPO run from an SFT model."""

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
        """Where its data sets lie."""
        return self.sft.data_folder


@dataclass(frozen=True)
class Evaluation:
    """Rollouts on a validation set.

    problems is the kind of validation set. checkpoints: of the models at rl.scored_steps instead of
    the final one.
    """

    name: str
    problems: str
    size: EvaluationSize
    checkpoints: bool = False


@dataclass(frozen=True)
class Member:
    """A run's part in an experiment, as the tables and figures name it."""

    run: SftRun | RlRun
    model: str
    stage: str
    condition: str
    evaluations: tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """An SFT run and the RL runs that start from it, for any seed.

    changes are made to the settings of all of them; condition says in tables what they vary.
    """

    model: str
    data: SftData
    prompts: tuple[Prompts, ...]
    changes: Changes
    condition: str = ""
    evaluations: tuple[str, ...] = ("steps",)


@dataclass(frozen=True)
class MainRuns:
    """What the other experiments take over from the main one."""

    models: tuple[ModelName, ...]
    rl_steps: tuple[Range, ...]
    settings: StudySettings

    @property
    def hardest(self) -> Range:
        """The steps of its hardest RL prompts, on which the others vary something else."""
        return self.rl_steps[-1]

    def holds(self, run: SftRun, prompts: Prompts, settings: StudySettings) -> bool:
        """Whether the main experiment has this RL run."""
        same_data = run.data.name in self.models and prompts.name in map(str, self.rl_steps)
        return same_data and settings == self.settings


def suffix(changes: Changes) -> str:
    """What distinguishes the name of a changed run: ``-kl_coefficient=0.1``. Fit for a path."""
    return "".join(
        f"-{key.split('.')[-1]}={re.sub(r'[^A-Za-z0-9_.=+-]+', '_', str(value)).strip('_')}"
        for key, value in sorted(changes.items())
    )


def data_folder(study: StudySettings, settings: StudySettings) -> str:
    """Data sets depend on the task's settings alone; changed ones get a folder of their own."""
    task, own = settings.task, vars(study.task)
    changes = {key: value for key, value in vars(task).items() if value != own[key]}
    changes.pop("field_size", None)
    return f"data/{study.tier}/gf{task.field_size}{suffix(changes)}"


Run = TypeVar("Run", SftRun, RlRun)


def _add(runs: dict[str, Run], run: Run) -> Run:
    """The run of this name, which two different ones must not share. Raises StudyError."""
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
    """The runs of all experiments, each once. Experiments add theirs."""

    study: StudySettings
    main: MainRuns
    sft: dict[str, SftRun] = field(default_factory=dict)
    rl: dict[str, RlRun] = field(default_factory=dict)

    @property
    def hardest(self) -> Prompts:
        """The RL prompts of the experiments that vary something else."""
        return Prompts.singles(self.study.data, self.main.hardest)

    def grow(self, branch: Branch, seed: int) -> Iterator[Member]:
        """Yield the SFT run of a branch as a member, then its RL runs."""
        sft = self.add_sft(branch.data, seed, branch.changes)
        final = tuple(name for name in branch.evaluations if name != "checkpoints")
        yield Member(sft, branch.model, SFT, branch.condition, final)
        for prompts in branch.prompts:
            run = self.add_rl(sft, prompts, branch.changes)
            sampled = branch.evaluations if run.settings.rl.scored_steps else final
            yield Member(run, branch.model, prompts.stage, branch.condition, sampled)

    def add_sft(self, data: SftData, seed: int, changes: Changes) -> SftRun:
        """The SFT run of a data mix and a seed, with some settings changed."""
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
        """The RL run from an SFT run. Those of the main experiment keep scored checkpoints."""
        settings = override(self.study, changes)
        if not self.main.holds(sft, prompts, settings):
            settings = override(settings, {"rl.scored_steps": changes.get("rl.scored_steps", [])})
        mine = self._differing(settings, changes.keys() - _of_sft(changes).keys())
        name = f"{sft.name}-rl{prompts.name}{suffix(mine)}"
        return _add(self.rl, RlRun(name, sft, prompts, settings))

    def _differing(self, settings: StudySettings, keys: Collection[str]) -> dict[str, Any]:
        """Those of the keys whose values are not the study's own, with their values."""
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
