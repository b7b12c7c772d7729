"""The base class of experiments.

An experiment is a subclass. Its fields are its section of the configuration. Its methods define its
runs, its tables and figures ("products"), and the quantities by which claims are judged.
`make_table`, `make_figure` and `make_quantities` are its stages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from matplotlib.figure import Figure
from pydantic import Field, model_validator

from workflow_scripts.common.files import write_json
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.experiments.runs import Evaluation, Grid, Member
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Files, Inputs, Measurements
from workflow_scripts.report.quantities import Quantity
from workflow_scripts.report.tables import Table, to_markdown
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Range, Section, require
from workflow_scripts.task.mixes import ValidationMix

# The sections of the configuration whose settings an experiment may change for its runs.
RUN_SECTIONS = ("task", "model", "sft", "rl")

Shown = TypeVar("Shown", Table, Figure)


@dataclass(frozen=True)
class Change:
    """The value that an experiment gives to a setting, and the experiment's key that sets it."""

    value: Any
    key: str


@dataclass(frozen=True)
class Product(Generic[Shown]):
    """A table or figure: its caption, the function that makes it, and the inputs that it needs.

    scores names the evaluations whose scores it needs. training names the collection of RL runs
    whose rollouts it needs, if any. sft says whether it needs the cross-entropy after SFT.
    """

    caption: str
    make: Callable[[Inputs], Shown]
    scores: tuple[str, ...] = ("steps",)
    training: str = ""
    sft: bool = False


@dataclass(frozen=True)
class ClaimPart:
    """The function that measures an experiment's quantities for a claim, and where it is shown."""

    measure: Callable[[Inputs], list[Quantity]]
    shown_in: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """The claims that an experiment measures, and the inputs needed for it (see Product)."""

    parts: Mapping[str, ClaimPart] = field(default_factory=dict)
    scores: tuple[str, ...] = ("steps",)
    training: str = ""
    sft: bool = False


@dataclass(frozen=True)
class Source:
    """The inputs of an experiment's stage. experiment has its settings; hardest as Inputs."""

    study: StudySettings
    hardest: Range
    experiment: dict[str, Any]
    files: Files


class Experiment(Section):
    """An experiment: settings that all experiments have, and methods for subclasses to define."""

    name: ClassVar[str]

    enabled: bool = True
    """Whether the experiment is run."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Settings of its own runs that differ from the study's, by dotted keys: `rl.steps: 300`."""

    @model_validator(mode="after")
    def _changes_runs_alone(self) -> Self:
        for key in self.overrides:
            require_run_key("overrides", key)
        return self

    # ---- methods for subclasses ---------------------------------------------------------------

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if the study's settings do not allow this experiment's."""

    def longest_responses(self, study: StudySettings) -> dict[str, int]:
        """The number of words of the longest solutions in the experiment, by a name for them."""
        return {}

    def variants(self) -> Iterator[dict[str, Change]]:
        """For each kind of run, the changes of settings, by dotted key."""
        yield {key: Change(v, f"overrides.{key}") for key, v in self.overrides.items()}

    def spans(self) -> Sequence[Range]:
        """Ranges of steps for which there are estimates, besides those for each number of steps."""
        return ()

    def validation(self, study: StudySettings) -> dict[str, ValidationMix]:
        """The kinds of validation problems that this experiment adds, by name."""
        return {}

    def evaluations(self, study: StudySettings) -> list[Evaluation]:
        """The evaluations that this experiment adds."""
        return []

    def members(self, grid: Grid) -> Iterator[Member]:
        """Add the experiment's runs to the grid, and yield them as members."""
        raise NotImplementedError

    def collections(self, members: list[Member]) -> dict[str, list[Member]]:
        """Subsets of the members, by name, whose RL rollouts are collected into a file as well."""
        return {}

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """The tables by name."""
        return {}

    def figures(self, study: StudySettings) -> dict[str, Product[Figure]]:
        """The figures by name, the most important first."""
        return {}

    def claims(self) -> Measured | None:
        """The quantities that the experiment measures for the paper's claims, if any."""
        return None

    # ---- stages -------------------------------------------------------------------------------

    @classmethod
    def make_table(cls, source: Source, name: str, csv: Path, markdown: Path) -> None:
        """Write a table as CSV and as Markdown."""
        inputs = cls._read(source)
        product = inputs.experiment.tables(inputs.study)[name]
        table = product.make(inputs)
        text = to_markdown(table, product.caption, inputs)
        write_whole(
            {
                csv: lambda path: table.frame.to_csv(path, index=False),
                markdown: lambda path: path.write_text(text),
            }
        )

    @classmethod
    def make_figure(cls, source: Source, name: str, png: Path, svg: Path) -> None:
        """Write a figure as PNG and SVG."""
        inputs = cls._read(source)
        figure = inputs.experiment.figures(inputs.study)[name].make(inputs)
        save = style.writers(figure)
        write_whole({png: save["png"], svg: save["svg"]})

    @classmethod
    def make_quantities(cls, source: Source, output: Path) -> None:
        """Measure and judge the experiment's quantities, and write them by claim."""
        inputs = cls._read(source)
        measured = inputs.experiment.claims()
        parts = measured.parts if measured else {}
        write_json(
            output,
            {
                claim: [quantity.to_json() for quantity in part.measure(inputs)]
                for claim, part in parts.items()
            },
        )

    @classmethod
    def _read(cls, source: Source) -> Inputs[Self]:
        experiment = cls.model_validate(source.experiment)
        measured = Measurements.read(source.files, source.study.statistics)
        return Inputs(source.study, source.hardest, experiment, measured)


def require_run_key(field_name: str, key: str) -> None:
    """Raise SettingError unless a dotted key is in one of RUN_SECTIONS."""
    of_run = key.split(".")[0] in RUN_SECTIONS and "." in key
    require(of_run, field_name, key, f"keys of {', '.join(RUN_SECTIONS)}")
