"""What every experiment has: settings of its own, runs, products, and claims.

A subclass in a file of this folder is an experiment. Its fields are its section of the
configuration; its methods say which runs it has, what is shown of them, and which of the paper's
claims it measures. `make_table`, `make_figure` and `make_quantities` are its stages.
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

# The sections of the configuration that define a run, and that an experiment may change.
RUN_SECTIONS = ("task", "model", "sft", "rl")

Shown = TypeVar("Shown", Table, Figure)


@dataclass(frozen=True)
class Change:
    """The value that an experiment gives to a setting, and the key that says so."""

    value: Any
    key: str


@dataclass(frozen=True)
class Product(Generic[Shown]):
    """A table or figure, how it is made, and the files of its experiment that it needs.

    scores names evaluations; training a collection of RL runs; sft says whether the cross-entropy
    after SFT is needed.
    """

    caption: str
    make: Callable[[Inputs], Shown]
    scores: tuple[str, ...] = ("steps",)
    training: str = ""
    sft: bool = False


@dataclass(frozen=True)
class ClaimPart:
    """What an experiment measures of a claim, and the products that show it."""

    measure: Callable[[Inputs], list[Quantity]]
    shown_in: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """The claims of an experiment, and the files of it that they need, as a Product has them."""

    parts: Mapping[str, ClaimPart] = field(default_factory=dict)
    scores: tuple[str, ...] = ("steps",)
    training: str = ""
    sft: bool = False


@dataclass(frozen=True)
class Source:
    """What a product of an experiment is made from."""

    study: StudySettings
    hardest: Range
    experiment: dict[str, Any]
    files: Files


class Experiment(Section):
    """Settings that every experiment has."""

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

    # ---- what a subclass says -----------------------------------------------------------------

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if the study's settings do not allow this experiment's."""

    def longest_responses(self, study: StudySettings) -> dict[str, int]:
        """The words of the longest solutions that the experiment asks for, by what they solve."""
        return {}

    def variants(self) -> Iterator[dict[str, Change]]:
        """The changes that the experiment makes to settings, a dictionary for each kind of run."""
        yield {key: Change(v, f"overrides.{key}") for key, v in self.overrides.items()}

    def spans(self) -> Sequence[Range]:
        """Ranges of steps over which estimates are summed up besides each number of steps."""
        return ()

    def validation(self, study: StudySettings) -> dict[str, ValidationMix]:
        """The kinds of validation problems that this experiment adds."""
        return {}

    def evaluations(self, study: StudySettings) -> list[Evaluation]:
        """The evaluations that this experiment adds."""
        return []

    def members(self, grid: Grid) -> Iterator[Member]:
        """The runs of the experiment, which it adds to the grid."""
        raise NotImplementedError

    def collections(self, members: list[Member]) -> dict[str, list[Member]]:
        """Parts of the RL runs whose training is collected besides that of all."""
        return {}

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """The tables by name."""
        return {}

    def figures(self, study: StudySettings) -> dict[str, Product[Figure]]:
        """The figures by name, the most telling first."""
        return {}

    def claims(self) -> Measured | None:
        """What the experiment measures of the paper's claims."""
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
        """Draw a figure."""
        inputs = cls._read(source)
        figure = inputs.experiment.figures(inputs.study)[name].make(inputs)
        save = style.writers(figure)
        write_whole({png: save["png"], svg: save["svg"]})

    @classmethod
    def make_quantities(cls, source: Source, output: Path) -> None:
        """Measure and judge what the experiment says of the claims, by claim."""
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
    """Raise SettingError unless a key belongs to the settings of runs."""
    of_run = key.split(".")[0] in RUN_SECTIONS and "." in key
    require(of_run, field_name, key, f"keys of {', '.join(RUN_SECTIONS)}")
