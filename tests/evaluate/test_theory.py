"""Selection in theory: the advantage of a strategy in a group, and predictions from it."""

import numpy as np
import pytest
from scipy.special import logit

from workflow_scripts.evaluate.theory import (
    POLICY_GRADIENT,
    REPLICATOR,
    Selection,
    advantage_gap,
    advantage_of_right,
    fit,
    predict,
)

STEPS = 200


@pytest.mark.parametrize("accuracy", [0.05, 0.5, 0.9])
def test_the_advantage_of_a_right_response_is_that_of_simulated_groups(accuracy):
    rewards = (np.random.default_rng(0).random((200_000, 8)) < accuracy).astype(float)
    spread = rewards.std(axis=1, ddof=1, keepdims=True)
    advantages = (rewards - rewards.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    first, reward = advantages[:, 0], rewards[:, 0]
    simulated = first[reward == 1].mean() - first[reward == 0].mean()
    assert advantage_of_right(np.array(accuracy), 8) == pytest.approx(simulated, abs=0.03)


def test_a_large_group_divides_by_the_standard_deviation():
    assert advantage_of_right(np.array(0.3), 4096) == pytest.approx((0.3 * 0.7) ** -0.5, rel=1e-3)


def test_strategies_that_are_equally_often_right_have_no_advantage():
    assert advantage_gap(np.array(0.3), np.array(0.6), np.array(0.6), 8) == 0


def measured(start: float = 0.3, theory: str = REPLICATOR, constant: float = 0.05) -> Selection:
    """A run that follows a theory without noise."""
    steps = np.ones(STEPS)
    given = Selection(64 * steps, start * steps, 0.6 * steps, 0.1 * steps)
    share = predict(given, theory, constant, 8)
    return Selection(given.n, share, given.right, given.right_other)


@pytest.mark.parametrize("theory", [REPLICATOR, POLICY_GRADIENT])
def test_the_constant_is_found_again_and_predicts_another_start(theory):
    constant = fit([measured(0.3, theory), measured(0.6, theory)], theory, 8)
    assert constant == pytest.approx(0.05, rel=0.1)
    other = measured(0.1, theory)
    assert predict(other, theory, constant, 8) == pytest.approx(other.share, abs=0.02)


def test_a_replicator_with_a_constant_gap_is_a_straight_line_of_logits_and_a_gradient_bends():
    """In groups of two, the advantage of a strategy that is always right does not depend on s."""
    alone = measured(0.5)
    always = Selection(alone.n, alone.share, np.ones(STEPS), np.zeros(STEPS))
    for theory, straight in ((REPLICATOR, True), (POLICY_GRADIENT, False)):
        logits = logit(predict(always, theory, 0.1, 2))
        growth = np.diff(logits[1:])
        assert (growth[-1] > 0.9 * growth[0]) == straight


def test_counts_become_shares_and_accuracies():
    rollouts = np.zeros((5, 2, 2))
    rollouts[:, 1, 1], rollouts[:, 1, 0], rollouts[:2, 0, 0], rollouts[2:, 1, 1] = 3, 1, 4, 7
    some = Selection.of(rollouts, window=1)
    assert some.n.tolist() == [8] * 5
    assert some.share.tolist() == [0.5, 0.5, 1, 1, 1]
    assert some.right[0] == 0.75
    assert some.right[-1] == 0.875
    assert (some.right_other == 0).all()
