"""Strategy selection in theory: how fast GRPO should move the share of the fitting strategy.

A response uses the fitting strategy with probability s, and then is right with probability p. With
another strategy it is right with probability q. Let l = log(s / (1 - s)). The expected advantage of
the fitting strategy over the others in a group is D(s, p, q), see `advantage_gap`. Two theories say
how l changes in an RL step:

- the replicator (of natural gradients and of exponentiated updates): by c D(s, p, q);
- the policy gradient of a softmax over the two strategies: by c s (1 - s) D(s, p, q).

The constant c, which stands for learning rate and optimizer, is fitted to one model. Everything
else is measured: the first share, and p and q at each step. So the theories predict other models,
whose SFT data had other shares of the strategies, without any further fit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit, logit, xlog1py, xlogy

from workflow_scripts.evaluate.statistics import ratio

REPLICATOR, POLICY_GRADIENT = "replicator", "policy gradient"
# What multiplies c D, as a function of the share.
_SPEED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    REPLICATOR: np.ones_like,
    POLICY_GRADIENT: lambda share: share * (1 - share),
}
# RL steps: the first share is the mean over these steps, whose centre is where a prediction starts.
FIRST = 3


def _binomial(k: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    """The probability of k of n. scipy.stats has it too, but slows the start of commands."""
    ways = -np.log(n + 1) - betaln(n - k + 1, k + 1)
    return np.exp(ways + xlogy(k, p) + xlog1py(n - k, -p))


def advantage_of_right(accuracy: np.ndarray, group_size: int) -> np.ndarray:
    """The expected advantage of a right response minus that of a wrong one.

    The advantage is (reward - mean) / standard deviation over the group, and 0 if all rewards of
    the group are equal. The other responses of the group are right with probability accuracy.
    """
    others = np.arange(group_size)  # how many of the other responses are right
    probability = _binomial(others, group_size - 1, np.asarray(accuracy)[..., None])

    def advantage(reward: int) -> np.ndarray:
        mean = (others + reward) / group_size
        spread = np.sqrt(mean * (1 - mean) * group_size / (group_size - 1))
        return np.nan_to_num(ratio(reward - mean, spread))

    return (probability * (advantage(1) - advantage(0))).sum(axis=-1)


def advantage_gap(
    share: np.ndarray, right: np.ndarray, right_other: np.ndarray, group_size: int
) -> np.ndarray:
    """D(s, p, q): the expected advantage of the fitting strategy minus that of the others."""
    accuracy = share * right + (1 - share) * right_other
    return (right - right_other) * advantage_of_right(accuracy, group_size)


@dataclass(frozen=True)
class Selection:
    """What was measured of selection in RL, at each step; all arrays have shape (steps,).

    n is the number of rollouts, share the share of the fitting strategy. right and right_other are
    the accuracies with the fitting strategy and with others: means over the steps around each step.
    """

    n: np.ndarray
    share: np.ndarray
    right: np.ndarray
    right_other: np.ndarray

    @classmethod
    def of(cls, rollouts: np.ndarray, window: int) -> "Selection":
        """From counts of rollouts of shape (steps, 2, 2): by whether they fit, and are right.

        Accuracies are means over 2 * window + 1 steps. Where others are never used any more, their
        accuracy is the last one that was measured.
        """
        wide = _centred_sums(rollouts, window)
        n = rollouts.sum(axis=(1, 2))
        right, right_other = (
            _carried_forward(ratio(wide[:, fits, 1], wide[:, fits].sum(axis=1))) for fits in (1, 0)
        )
        return cls(n, rollouts[:, 1].sum(axis=1) / n, right, right_other)

    @property
    def start(self) -> float:
        """The logit of the share in the first steps."""
        n = self.n[:FIRST].sum()
        chosen = (self.share * self.n)[:FIRST].sum()
        return float(logit((chosen + 0.5) / (n + 1)))


def _centred_sums(counts: np.ndarray, window: int) -> np.ndarray:
    """Sums over the steps from window before to window after each step, as far as they exist."""
    sums = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
    steps = np.arange(len(counts))
    return sums[np.minimum(steps + window + 1, len(counts))] - sums[np.maximum(steps - window, 0)]


def _carried_forward(values: np.ndarray) -> np.ndarray:
    """Replace NaN by the value before it; NaN at the start become 0."""
    known = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(known)
    return np.where(last >= 0, values[last], 0.0)


def predict(measured: Selection, theory: str, constant: float, group_size: int) -> np.ndarray:
    """The share of the fitting strategy at each step, as a theory predicts it from the first steps.

    The prediction uses the measured accuracies, and the measured share of the first steps alone.
    """
    speed, start = _SPEED[theory], FIRST // 2
    logits = np.full(len(measured.n), measured.start)
    for step in range(start + 1, len(logits)):
        share = expit(logits[step - 1])
        gap = advantage_gap(
            share, measured.right[step - 1], measured.right_other[step - 1], group_size
        )
        logits[step] = logits[step - 1] + constant * speed(share) * gap
    return expit(logits)


def fit(measured: list[Selection], theory: str, group_size: int) -> float:
    """The constant c of a theory with the largest likelihood of the measured shares (binomial)."""

    def misfit(log_constant: float) -> float:
        total = 0.0
        for one in measured:
            share = np.clip(
                predict(one, theory, float(np.exp(log_constant)), group_size), 1e-6, 1 - 1e-6
            )
            chosen = one.n * one.share
            total -= float((chosen * np.log(share) + (one.n - chosen) * np.log(1 - share)).sum())
        return total

    return float(np.exp(minimize_scalar(misfit, bounds=(-7.0, 3.0), method="bounded").x))
