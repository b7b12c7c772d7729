"""How often a response is right without the strategy that fits the problem.

A baseline is a probability for one response to a random problem of one part over GF(p). Random
means drawn by task.problems.draw_problem.
"""

from workflow_scripts.task.solutions import max_guesses
from workflow_scripts.task.text import Form


def chance(p: int) -> float:
    """The probability that a blind guess is right: 1 / p, one of p values.

    All answers are equally frequent, so this holds for every guess that does not use the problem.
    """
    return 1 / p


def affine_shortcut(p: int) -> float:
    """The probability that work in the wrong direction gives the answer: 2 / p.

    The work begins with the known value, without a guess. On an evaluation problem it undoes the
    steps from the first value; on an inversion problem it applies them to the last. Derivation:

    A program maps x to f(x) = a x + b, with a nonzero. Let k be the known value. One direction
    gives f(k), the other the inverse of f at k. They agree if and only if f(f(k)) = k, which is
    (a + 1) (f(k) - k) = 0. So the program is a hit if a = -1 or f(k) = k. Each of n steps is, with
    probability 1/2, + with a uniform constant, else * with a uniform nonzero constant:

    - Both operations occur, with probability 1 - 2^(1 - n): a is uniform over p - 1 values, and
      f(k) is uniform over p values and independent of a. The probability of a hit is
      1 / (p - 1) + (p - 2) / (p - 1) * 1 / p = 2 / p.
    - Only +, with probability 2^-n: a = 1, so f(k) = k must hold. The probability is 1 / p.
    - Only *, with probability 2^-n: f(k) = a k. All k are hits if a is 1 or -1, else k = 0 alone.
      The probability is 2 / (p - 1) + (p - 3) / (p - 1) * 1 / p = 3 / p.

    The sum is 2 / p for every number of steps: 2/11 = 0.182 for GF(11), 2/13 = 0.154 for GF(13).
    (In GF(2), -1 = 1, and every program is a hit: 2 / p = 1 as well.)

    For one problem all such responses are the same, so pass@k is 2 / p for every k.
    """
    return 2 / p


def guess_and_check(form: Form, p: int, n_steps: int, word_limit: int) -> float:
    """The probability that guess and check finds the answer within word_limit words.

    The guesses are distinct, in a random order, and g of them fit into the limit (max_guesses). The
    answer is among the first g of p values with probability g / p. A response without a right guess
    counts as wrong.
    """
    return max_guesses(form, p, n_steps, word_limit) / p


def guess_then_other(form: Form, p: int, n_steps: int, word_limit: int) -> float:
    """The probability that guess and check is right if it answers in any case.

    Where guess_and_check fails, this response answers with a random value that no guess has
    refuted. The first g guesses hold the answer with probability g / p. Otherwise, with probability
    (p - g) / p, the answer is one of p - g values. Together: g / p + 1 / p, at most 1.
    """
    return min(p, max_guesses(form, p, n_steps, word_limit) + 1) / p
