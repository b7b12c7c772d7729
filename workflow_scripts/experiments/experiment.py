"""The base class of experiments.

Each experiment is a subclass. Its fields are the keys of its section in the configuration. Its
methods define its runs, its tables and figures ("products"), and the quantities by which claims are
judged. `make_table`, `make_figure` and `make_quantities` are the stages of an experiment: the
functions that jobs call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field, model_validator

from workflow_scripts.common.files import write_json
from workflow_scripts.evaluate.storage import write_whole
from workflow_scripts.experiments.runs import Evaluation, Grid, Member
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Files, Inputs, Measurements
from workflow_scripts.report.quantities import Quantity
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.table_pages import to_latex, to_markdown
from workflow_scripts.report.tables import Table
from workflow_scripts.settings.study import StudySettings, require_variables
from workflow_scripts.settings.values import Count, Range, Section, require
from workflow_scripts.task.mixes import ValidationMix

# An experiment may change settings for its runs only in these sections of the configuration.
RUN_SECTIONS = ("task", "model", "sft", "rl")

Shown = TypeVar("Shown", Table, Drawing)


@dataclass(frozen=True)
class Change:
    """The new value of a setting in an experiment, and the experiment's key that sets the value."""

    value: Any
    key: str


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The measurements that a product or the quantities of an experiment read.

    scores names the evaluations whose scores are read. training names the collection of RL runs
    whose training rollouts are read, and is empty if none are read. sft says whether the
    cross-entropy after SFT is read, and mistakes whether the counts of mistakes are.
    """

    scores: tuple[str, ...] = ("steps",)
    training: str = ""
    sft: bool = False
    mistakes: bool = False


@dataclass(frozen=True)
class Product(Needs, Generic[Shown]):
    """A table or figure: its caption, and the function that makes it.

    reading is a paragraph for readers: what to look at, and what would speak against the paper. It
    stands below a table, and in the caption file of a figure. It states no measured numbers, since
    these change.
    """

    caption: str
    make: Callable[[Inputs], Shown]
    reading: str = ""


@dataclass(frozen=True)
class ClaimPart:
    """The function that measures an experiment's quantities for a claim.

    shown_in lists the tables and figures that show the claim.
    """

    measure: Callable[[Inputs], list[Quantity]]
    shown_in: tuple[str, ...]


@dataclass(frozen=True)
class Measured(Needs):
    """The claims that an experiment measures."""

    parts: Mapping[str, ClaimPart]


@dataclass(frozen=True)
class Source:
    """The inputs of an experiment's stages.

    experiment has the experiment's settings as JSON. hardest is the range of steps of the main
    experiment's hardest RL prompts.
    """

    study: StudySettings
    hardest: Range
    experiment: dict[str, Any]
    files: Files


class Experiment(Section):
    """An experiment: settings that all experiments have, and methods for subclasses to define.

    A grid collects the runs of all experiments, each run once. A member is a run as part of an
    experiment, with its names in the experiment's tables (see experiments.runs).
    """

    name: ClassVar[str]

    enabled: bool = True
    """Whether the experiment is run."""
    n_seeds: Count | None = None
    """Number of the study's seeds, from the first, with which the experiment is run. If not set,
    all seeds are used."""
    overrides: dict[str, Any] = Field(default_factory=dict)
    """Changed settings of this experiment's runs, by dotted key: `rl.steps: 300`."""

    @model_validator(mode="after")
    def _changes_runs_alone(self) -> Self:
        for key in self.overrides:
            require_run_key("overrides", key)
        return self

    def seeds(self, study: StudySettings) -> list[int]:
        """The seeds with which the experiment is run."""
        return study.seeds[: self.n_seeds]

    # ---- methods for subclasses ---------------------------------------------------------------

    def check(self, study: StudySettings) -> None:
        """Raise SettingError if the study's settings make this experiment impossible."""

    def longest_responses(self, study: StudySettings) -> dict[str, int]:
        """The number of words of the experiment's longest solutions, by a description of each."""
        return {}

    def variants(self) -> Iterator[dict[str, Change]]:
        """For each combination of changed settings among the runs: the changes by dotted key."""
        yield {key: Change(v, f"overrides.{key}") for key, v in self.overrides.items()}

    def spans(self) -> Sequence[Range]:
        """Ranges of steps that get estimates of their own, besides each single number of steps."""
        return ()

    def validation(self, study: StudySettings) -> dict[str, ValidationMix]:
        """The kinds of validation problems that this experiment adds to the study, by name."""
        return {}

    def evaluations(self, study: StudySettings) -> list[Evaluation]:
        """The evaluations that this experiment adds to the study."""
        return []

    def members(self, grid: Grid) -> Iterator[Member]:
        """Add the experiment's runs to the grid, and yield each as a member."""
        raise NotImplementedError

    def collections(self, members: list[Member]) -> dict[str, list[Member]]:
        """Subsets of the members whose training rollouts are collected into a file, by name.

        A collection of all members always exists and is not returned here.
        """
        return {}

    def tables(self, study: StudySettings) -> dict[str, Product[Table]]:
        """The tables by name."""
        return {}

    def figures(self, study: StudySettings) -> dict[str, Product[Drawing]]:
        """The figures by name, the most important one first."""
        return {}

    def claims(self) -> Measured | None:
        """The quantities that the experiment measures for the paper's claims, or None."""
        return None

    # ---- stages -------------------------------------------------------------------------------

    @classmethod
    def make_table(cls, source: Source, name: str, csv: Path, markdown: Path, latex: Path) -> None:
        """Write a table as CSV, Markdown and LaTeX.

        Raises StudyError if an input is missing or damaged.
        """
        inputs = cls._read(source)
        product = inputs.experiment.tables(inputs.study)[name]
        table = product.make(inputs)
        page = to_markdown(table, product.caption, inputs, product.reading)
        float_ = to_latex(table, name, product.caption, inputs)
        write_whole(
            {
                csv: lambda path: table.frame.to_csv(path, index=False),
                markdown: partial(_write_text, text=page),
                latex: partial(_write_text, text=float_),
            }
        )

    @classmethod
    def make_figure(cls, source: Source, name: str, png: Path, svg: Path, caption: Path) -> None:
        """Write a figure as PNG and SVG, and its caption as Markdown.

        Raises StudyError if an input is missing or damaged.
        """
        inputs = cls._read(source)
        product = inputs.experiment.figures(inputs.study)[name]
        drawing = product.make(inputs)
        style.mark_smoke(drawing.figure, inputs)
        save = style.writers(drawing.figure)
        text = style.caption_page(drawing, product.caption, product.reading, inputs)
        write_whole({png: save["png"], svg: save["svg"], caption: partial(_write_text, text=text)})

    @classmethod
    def make_quantities(cls, source: Source, output: Path) -> None:
        """Measure and judge the experiment's quantities, and write them as JSON by claim.

        Raises StudyError if an input is missing or damaged.
        """
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


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def require_rl_steps(study: StudySettings, experiment: str, rl_steps: Sequence[Range]) -> None:
    """Raise SettingError if there are too few variable names for the longest programs of RL."""
    for index, steps in enumerate(rl_steps):
        key = f"experiments.{experiment}.rl_steps.{index}.high"
        require_variables(study.task, key, steps.high)


def require_run_key(field_name: str, key: str) -> None:
    """Raise SettingError unless a dotted key begins with one of RUN_SECTIONS.

    field_name is the field that holds the key.
    """
    of_run = key.split(".")[0] in RUN_SECTIONS and "." in key
    require(of_run, field_name, key, f"keys of {', '.join(RUN_SECTIONS)}")
