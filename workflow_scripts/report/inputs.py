"""What tables, figures and quantities are computed from, for one experiment.

The inputs are the settings, and the experiment's collected results as data frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

from workflow_scripts.evaluate.collect import at_temperature
from workflow_scripts.evaluate.curves import TRAINING_COLUMNS, Curves, make_curves
from workflow_scripts.evaluate.metrics import Scores
from workflow_scripts.evaluate.statistics import Design, Statistic, mean_over_seeds
from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.settings.statistics import Statistics
from workflow_scripts.settings.strategies import BACKWARD_SHARE
from workflow_scripts.settings.study import StudySettings
from workflow_scripts.settings.values import Range

SFT = "SFT"
MISTAKES_COLUMNS = [
    "model",
    "stage",
    "condition",
    "seed",
    "family",
    "evaluation",
    "type",
    "steps",
    "wrong_line",
    "n",
]
SFT_COLUMNS = ["model", "condition", "seed", "family", "cross_entropy", "n_tokens"]
# SFT showed F and B one strategy each. Of each model: the problem type that its strategy fits, and
# the other type.
FITTING_TYPE = {"F": "evaluation", "B": "inversion"}
OTHER_TYPE = {"F": "inversion", "B": "evaluation"}

Own = TypeVar("Own", covariant=True)


def rl_stage(prompts: Range | str) -> str:
    """The name, in tables and figures, of RL on a prompt set: RL(6-9)."""
    return f"RL({prompts})"


@dataclass(frozen=True)
class Files:
    """The files of an experiment that a product (a table, figure or set of quantities) reads.

    scores has one file per evaluation. training, sft and mistakes have one file each, or none.
    """

    scores: Sequence[Path] = ()
    training: Sequence[Path] = ()
    sft: Sequence[Path] = ()
    mistakes: Sequence[Path] = ()


@dataclass(frozen=True)
class Measurements:
    """The results of an experiment, read from Files.

    A field is None if the product has no such file.
    """

    scores: Scores | None = None
    training: pd.DataFrame | None = None
    sft: pd.DataFrame | None = None
    mistakes: pd.DataFrame | None = None

    @classmethod
    def read(cls, files: Files, statistics: Statistics) -> "Measurements":
        """Read the files of an experiment. Raises StudyError if a file is missing or damaged."""
        return cls(
            Scores.read(files.scores, statistics) if files.scores else None,
            _read_one(files.training, TRAINING_COLUMNS) if files.training else None,
            _read_one(files.sft, SFT_COLUMNS) if files.sft else None,
            _read_one(files.mistakes, MISTAKES_COLUMNS) if files.mistakes else None,
        )


def _read_one(paths: Sequence[Path], columns: list[str]) -> pd.DataFrame:
    (path,) = paths
    return read_table(path, columns)


@dataclass(frozen=True)
class Inputs(Generic[Own]):
    """The measurements and settings of one experiment.

    experiment has the experiment's own settings. hardest is the range of steps of the main
    experiment's hardest RL prompts; most results are on problems of this length.
    """

    study: StudySettings
    hardest: Range
    experiment: Own
    measured: Measurements

    @property
    def scores(self) -> Scores:
        """The scores. Only for products that list evaluations (Product.scores)."""
        assert self.measured.scores is not None, "this product names no evaluation"
        return self.measured.scores

    @property
    def training(self) -> pd.DataFrame:
        """The counts of training rollouts.

        Only for products that name a collection of RL runs (Product.training).
        """
        assert self.measured.training is not None, "this product names no training"
        return self.measured.training

    @property
    def sft(self) -> pd.DataFrame:
        """The cross-entropies after SFT. Only for products that ask for them (Product.sft)."""
        assert self.measured.sft is not None, "this product does not name SFT"
        return self.measured.sft

    def exact(self, measure: str) -> str:
        """The name of an exact measure at the temperature of sampling: "execution at 1.0"."""
        return at_temperature(measure, self.study.sampling.temperature)

    @property
    def mistakes(self) -> pd.DataFrame:
        """The counts of mistakes in rollouts; see evaluate.collect.count_mistakes.

        Only for products that ask for them (Product.mistakes).
        """
        assert self.measured.mistakes is not None, "this product does not name mistakes"
        return self.measured.mistakes

    @property
    def models(self) -> list[str]:
        """The models in the scores: first the paper's models in the paper's order, then others."""
        present = self.scores.unique("model")
        return sorted(present, key=lambda name: [*BACKWARD_SHARE, *present].index(name))

    def stages(self, **where: object) -> list[str]:
        """The stages in the scores: SFT, then RL on each prompt set.

        where restricts the scores to rows with the given column values.
        """
        return self.scores.unique("stage", **where)

    def curves(self, model: str, stage: str, **where: object) -> Curves | None:
        """The learning curves of a model's RL runs, or None if there are no such runs.

        where restricts the training rollouts to rows with the given column values.
        """
        chosen = {"model": model, "stage": stage, "condition": "", **where}
        return make_curves(self.training, self.study.statistics, **chosen)

    def cross_entropy(self, model: str, condition: str = "") -> Statistic | None:
        """The cross-entropy after SFT in nats per response token, as the mean over seeds.

        Returns None if there are no runs. In its estimate, n_samples is the number of tokens, and
        the interval is over seeds.
        """
        runs = self.sft[(self.sft["model"] == model) & (self.sft["condition"] == condition)]
        if runs.empty:
            return None
        runs = runs.sort_values("seed")
        design = Design(runs["family"].iloc[0], tuple(runs["seed"].tolist()))
        values, n_tokens = runs["cross_entropy"].to_numpy(float), int(runs["n_tokens"].iloc[0])
        return mean_over_seeds(values, design, n_tokens)

    @property
    def confidence(self) -> float:
        """The confidence level of all intervals."""
        return self.study.statistics.confidence

    @property
    def note(self) -> str:
        """The note on the tier, which all products show."""
        return tier_note(self.study)

    @property
    def interval_note(self) -> str:
        """The note on intervals, which all products show."""
        return interval_note(self.study)


def tier_note(study: StudySettings) -> str:
    """The note on the tier (the size of the study): its name, and for smoke a warning."""
    tier = f"{study.tier} tier"
    return f"{tier}: no scientific meaning" if study.tier == "smoke" else tier


def interval_note(study: StudySettings) -> str:
    """The note on intervals: their confidence level and kind."""
    return f"{100 * study.statistics.confidence:g} % t intervals"
