"""Selection in theory and in RL: FB sets one constant, other mixes of strategies are predicted."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from workflow_scripts.evaluate.curves import Curves
from workflow_scripts.evaluate.statistics import Scale, ratio_of_sums
from workflow_scripts.evaluate.theory import (
    POLICY_GRADIENT,
    REPLICATOR,
    Selection,
    fit,
    predict,
)
from workflow_scripts.experiments.main.learning import ROOT_LABEL, rollouts_behind, root_scale
from workflow_scripts.report import style
from workflow_scripts.report.inputs import Inputs, rl_stage
from workflow_scripts.report.style import Drawing
from workflow_scripts.report.tables import BOTH_TYPES
from workflow_scripts.settings.overrides import override
from workflow_scripts.settings.strategies import model_of_share, percent

READING = (
    "Points are the measured share of the fitting strategy in RL, on a logit scale. Lines are "
    "two theories of how fast GRPO should raise this share, given how much more often the "
    "fitting strategy is right than the others. Each theory has one free constant, fitted to FB "
    "(SFT with equal shares of both strategies) on both types together. Nothing was refitted for "
    "the other columns: there, only the measured start and the measured accuracies enter. If RL "
    "does nothing to the choice of strategy but select, one constant must describe all panels. "
    "Points that rise where a theory stays flat, or far earlier or later than it, speak against "
    "that theory; points that do not rise at all speak against the paper. A line may leave the "
    "panel where a theory predicts more than was measured. The policy gradient is that of a "
    "choice between two strategies under plain gradient steps; training uses Adam, so it is an "
    "approximation."
)
FB = 0.5  # the share of backward solutions in the SFT data of FB
_WINDOW = 10  # RL steps before and after a step over which accuracies are averaged
# A measured point is a block of RL steps. Each block is longer than the one before, by this factor.
_BLOCK_GROWTH = 1.35
_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
_FINE_TICKS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # for shares that hardly move
_THEORIES: dict[str, dict[str, Any]] = {
    REPLICATOR: {"color": style.BLACK, "linestyle": "-"},
    POLICY_GRADIENT: {"color": style.RED, "linestyle": (0, (4, 1.5))},
}
_MEASURED: dict[str, Any] = style.line_style((style.BLUE, "o", "none")) | {"markersize": 3.5}


def mixes(shares: list[float]) -> list[float]:
    """The shares of backward solutions with which SFT teaches both strategies, in order."""
    return sorted(share for share in shares if 0 < share < 1)


def draw(inputs: Inputs[Any]) -> Drawing:
    """Draw the share of the fitting strategy and its predictions, from training rollouts.

    There is a row for each problem type and a column for each mix of strategies in SFT. Without FB
    there is nothing to fit, and no prediction.
    """
    shares, types = mixes(inputs.experiment.backward_shares), BOTH_TYPES
    found = {
        (share, type): inputs.curves(
            model_of_share(share),
            rl_stage(inputs.hardest),
            condition=percent(share),
            type=type,
        )
        for share in shares
        for type in types
    }
    present = {key: curves for key, curves in found.items() if curves is not None}
    group_size = override(inputs.study, inputs.experiment.overrides).rl.group_size
    constants = fit_to_fb(present, group_size)
    figure, axes = style.new_figure(3.8, len(types), len(shares), sharex=True, sharey=True)
    drawn = []
    for (share, type), curves in present.items():
        panel = axes[types.index(type), shares.index(share)]
        drawn.append(_draw_measured(panel, curves, inputs.confidence))
        for theory, constant in constants.items():
            predicted = predict(_selection(curves), theory, constant, group_size)
            panel.plot(_steps(curves), predicted, linewidth=1.1, **_THEORIES[theory])
    for share, column in zip(shares, axes.T, strict=True):
        of_fb = share == FB
        model = f"{percent(share)} % backward{' (FB)' if of_fb else ''}"
        column[0].set_title(f"{model}: {'fitted' if of_fb else 'predicted'}")
        column[-1].set_xlabel(ROOT_LABEL)
    for type, panel in zip(types, axes[:, 0], strict=True):
        panel.set_ylabel(f"share of the fitting\nstrategy on {type}")
    _scale(axes, np.concatenate(drawn), max(len(each.steps) for each in present.values()))
    handles = [style.handle("measured", **_MEASURED)]
    handles += [style.handle(theory, **_THEORIES[theory]) for theory in constants]
    style.legend_above(figure, handles)
    return Drawing(figure, rollouts_behind(list(present.values())))


def fit_to_fb(found: dict[tuple[float, str], Curves], group_size: int) -> dict[str, float]:
    """The constant of each theory, fitted to FB on all types together; empty without FB."""
    measured = [_selection(curves) for (share, _), curves in found.items() if share == FB]
    if not measured:
        return {}
    return {theory: fit(measured, theory, group_size) for theory in _THEORIES}


def _selection(curves: Curves) -> Selection:
    return Selection.of(curves.rollouts.sum(axis=0), _WINDOW)


def _steps(curves: Curves) -> np.ndarray:
    """RL steps counted from 1."""
    return np.arange(1, len(curves.steps) + 1)


def blocks(n_steps: int) -> list[slice]:
    """Runs of consecutive steps, each longer than the one before by a factor, as far as it goes."""
    edges = [0]
    while edges[-1] < n_steps:
        edges.append(min(n_steps, max(edges[-1] + 1, round((edges[-1] + 0.5) * _BLOCK_GROWTH))))
    return [slice(low, high) for low, high in pairwise(edges)]


@dataclass(frozen=True)
class Shares:
    """Measured shares of the fitting strategy: values and intervals of shape (3, blocks)."""

    steps: np.ndarray
    band: np.ndarray


def measured_shares(curves: Curves, confidence: float) -> Shares:
    """The share of the fitting strategy in blocks of RL steps, with t intervals over seeds.

    Half a response is added to each side of a block, so that a share is never 0 or 1.
    """
    parts = blocks(len(curves.steps))
    fits, all_ = curves.fitting.numerator, curves.fitting.denominator
    over, under = (np.stack([c[:, b].sum(1) for b in parts], -1)[:, None] for c in (fits, all_))
    statistic = ratio_of_sums(over, under, curves.design, np.zeros(len(parts)), curves.n_rollouts)
    band = style.band_of(statistic.estimates(Scale.LOGIT, confidence))
    band[0] = (over.sum((0, 1)) + 0.5) / (under.sum((0, 1)) + 1)
    centres = np.array([_steps(curves)[block].mean() for block in parts])
    return Shares(centres, band)


def _draw_measured(panel: Axes, curves: Curves, confidence: float) -> np.ndarray:
    """Draw the points, and return their values."""
    shares = measured_shares(curves, confidence)
    value, low, high = shares.band
    bars = np.nan_to_num([np.maximum(value - low, 0), np.maximum(high - value, 0)])
    panel.errorbar(shares.steps, value, yerr=bars, elinewidth=0.8, zorder=3, **_MEASURED)
    return value


def _scale(axes: np.ndarray, values: np.ndarray, n_steps: int) -> None:
    """Give all panels a logit scale with room around the measured values.

    Intervals and predictions may leave it.
    """
    low, high = values.min() / 2, 1 - (1 - values.max()) / 4
    wide, fine = ([tick for tick in ticks if low < tick < high] for ticks in (_TICKS, _FINE_TICKS))
    ticks = wide if len(wide) > 2 else fine
    for panel in axes.flat:
        panel.set_yscale("logit")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.set_ylim(low, high)
        root_scale(panel, n_steps)
