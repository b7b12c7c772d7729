"""What a product is drawn from: the settings, the tables of one experiment, and their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.evaluate.curves import TRAINING_COLUMNS, Curves, make_curves
from workflow_scripts.evaluate.metrics import Scores
from workflow_scripts.evaluate.statistics import Estimate, interval, seed_weights
from workflow_scripts.evaluate.storage import read_table
from workflow_scripts.settings import BACKWARD_SHARE, Settings
from workflow_scripts.settings.values import Range

SFT = "SFT"
SFT_COLUMNS = ["model", "condition", "seed", "cross_entropy", "n_tokens"]
FITTING_TYPE = {"F": "evaluation", "B": "inversion"}  # the type that a single strategy fits
OTHER_TYPE = {"F": "inversion", "B": "evaluation"}


def rl_stage(steps: Range) -> str:
    return f"RL({steps})"


def _numbers(stage: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]+", stage)]


@dataclass(frozen=True)
class Inputs:
    """Of one experiment; None for what a product does not need."""

    settings: Settings
    scores: Scores | None = None
    training: pd.DataFrame | None = None
    sft: pd.DataFrame | None = None

    @classmethod
    def read(
        cls,
        settings: Settings,
        scores: Sequence[Path] = (),
        training: Sequence[Path] = (),
        sft: Sequence[Path] = (),
    ) -> "Inputs":
        """Read the files of an experiment: any number of evaluations, one file of the others."""
        return cls(
            settings,
            Scores.read(scores, settings.statistics) if scores else None,
            read_table(*training, TRAINING_COLUMNS) if training else None,
            read_table(*sft, SFT_COLUMNS) if sft else None,
        )

    @property
    def hardest(self) -> Range:
        """The problems that the study is about: those of the main experiment's last RL."""
        return self.settings.experiments.main.rl_steps[-1]

    @property
    def models(self) -> list[str]:
        """The paper's three in its order, or those of the composition experiment."""
        present = self.scores.unique("model")
        return sorted(present, key=lambda name: [*BACKWARD_SHARE, *present].index(name))

    def stages(self, **where: object) -> list[str]:
        """SFT, then RL from easier to harder problems."""
        return sorted(self.scores.unique("stage", **where), key=_numbers)

    def percentages(self) -> list[str]:
        """The conditions of the experiments whose conditions are percentages, lowest first."""
        return sorted(self.scores.unique("condition"), key=float)

    def curves(self, model: str, stage: str, **where: object) -> Curves | None:
        """The learning curves of a model's RL runs; where may narrow the rollouts by column."""
        chosen = {"model": model, "stage": stage, "condition": "", **where}
        return make_curves(self.training, self.settings.statistics, **chosen)

    def cross_entropy(self, model: str, condition: str = "") -> tuple[np.ndarray, Estimate] | None:
        """Nats per response token after SFT, mean over seeds: resampled vector and estimate."""
        runs = self.sft[(self.sft["model"] == model) & (self.sft["condition"] == condition)]
        if runs.empty:
            return None
        runs = runs.sort_values("seed")
        statistics = self.settings.statistics
        weights = seed_weights(len(runs), statistics.bootstrap_resamples, statistics.seed)
        vector = weights @ runs["cross_entropy"].to_numpy(float) / len(runs)
        n_tokens = int(runs["n_tokens"].iloc[0])
        return vector, Estimate(*interval(vector, statistics.confidence), 0, len(runs), n_tokens)

    def default_of(self, axis: str) -> Any:
        """The value that an axis of the robustness experiment has in its default runs."""
        overrides = self.settings.experiments.robustness.overrides
        value: Any = self.settings.model_dump()
        for name in axis.split("."):
            value = value[name]
        return overrides.get(axis, value)

    def multiple_of_default(self, axis: str, value: Any) -> float | None:
        """How many times the default a value of an axis of robustness is; None if not a number."""
        default = self.default_of(axis)
        numeric = all(isinstance(number, int | float) for number in (value, default))
        return round(value / default, 6) if numeric and default else None

    def conditions(self, axis: str) -> list[tuple[Any, str]]:
        """(value, condition) along an axis of the robustness experiment, by value."""
        values = self.settings.experiments.robustness.axes[axis]
        pairs = [(value, f"{axis}={value}") for value in values]
        pairs.append((self.default_of(axis), "default"))
        numeric = all(isinstance(value, int | float) for value, _ in pairs)
        return sorted(pairs) if numeric else pairs

    @property
    def note(self) -> str:
        """What every product says of its tier."""
        tier = f"{self.settings.tier} tier"
        if self.settings.tier == "smoke":
            tier += ": no scientific meaning"
        return tier

    @property
    def interval_note(self) -> str:
        percent = f"{100 * self.settings.statistics.confidence:g}"
        return f"{percent} % bootstrap intervals"
