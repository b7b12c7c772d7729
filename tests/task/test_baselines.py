"""Baselines: each formula against what happens to random problems."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from scipy.stats import binomtest

from tests.task.conftest import WORD_LIMIT
from workflow_scripts.task.baselines import (
    affine_shortcut,
    chance,
    guess_and_check,
    guess_then_other,
)
from workflow_scripts.task.problems import PROBLEM_TYPES, Part, Problem, draw_problem
from workflow_scripts.task.text import COMPACT

# A response to a problem: the words of its form limit the guesses, rng draws them.
Respond = Callable[[Problem, int, Random], int | None]


def guess_once(problem: Problem, n_guesses: int, rng: Random) -> int:
    return rng.randrange(problem.p)


def work_in_the_wrong_direction(problem: Problem, n_guesses: int, rng: Random) -> int:
    return problem.parts[0].solve_in_reverse(problem.field, problem.known)


def guess_until_one_fits(problem: Problem, n_guesses: int, rng: Random) -> int | None:
    """Only a guess that leads to the known value is answered."""
    guesses = rng.sample(range(problem.p), n_guesses)
    (part,) = problem.parts
    fits = (g for g in guesses if part.solve_in_reverse(problem.field, g) == problem.known)
    return next(fits, None)


def guess_until_one_fits_or_answer_another(problem: Problem, n_guesses: int, rng: Random) -> int:
    guesses = rng.sample(range(problem.p), n_guesses)
    (part,) = problem.parts
    for guess in guesses:
        if part.solve_in_reverse(problem.field, guess) == problem.known:
            return guess
    return rng.choice([value for value in range(problem.p) if value not in guesses])


def share_right(respond: Respond, p: int, n_steps: int, type_: str, n_guesses: int = 1):
    """The test of n right responses to 20,000 problems, against a probability."""
    rng, n = Random(f"{respond.__name__} {p} {n_steps} {type_}"), 20_000
    problems = (draw_problem(rng, p, type_, n_steps, n_steps + 1) for _ in range(n))
    right = sum(respond(each, n_guesses, rng) == each.answer for each in problems)
    return lambda probability: binomtest(right, n, probability).pvalue


CASES = [(11, 1), (11, 2), (11, 6), (11, 9), (13, 9), (5, 3)]


@pytest.mark.parametrize("type_", PROBLEM_TYPES)
@pytest.mark.parametrize(("p", "n_steps"), CASES)
def test_chance_and_the_shortcut_are_right_as_often_as_derived(p, n_steps, type_):
    assert share_right(guess_once, p, n_steps, type_)(chance(p)) > 1e-4
    shortcut = share_right(work_in_the_wrong_direction, p, n_steps, type_)
    assert shortcut(affine_shortcut(p)) > 1e-4
    assert shortcut(chance(p)) < 1e-9


def probability_of_a_hit(p: int, n_steps: int, type_: str) -> Fraction:
    """The exact probability, by enumeration of all problems with their probabilities."""
    half = Fraction(1, 2)
    steps = {("+", c): half / p for c in range(p)} | {("*", c): half / (p - 1) for c in range(1, p)}
    total = Fraction(0)
    for program in product(steps, repeat=n_steps):
        weight = Fraction(1, p)
        for step in program:
            weight *= steps[step]
        problems = [Problem(p, known, (Part(type_, 0, program),)) for known in range(p)]
        total += weight * sum(problem.is_shortcut_hit for problem in problems)
    return total


@pytest.mark.parametrize("type_", PROBLEM_TYPES)
@pytest.mark.parametrize(
    ("p", "n_steps"), [(2, 1), (2, 4), (3, 1), (3, 4), (5, 3), (11, 1), (11, 2), (13, 1), (13, 2)]
)
def test_the_share_of_shortcut_hits_is_exactly_2_of_p_for_any_number_of_steps(p, n_steps, type_):
    assert probability_of_a_hit(p, n_steps, type_) == Fraction(2, p)
    assert affine_shortcut(p) == 2 / p


@pytest.mark.parametrize("type_", PROBLEM_TYPES)
@pytest.mark.parametrize(
    ("p", "n_steps", "limit", "n_guesses"),
    [(11, 2, 81, 5), (11, 6, 81, 2), (11, 9, 81, 1), (13, 3, 81, 4), (11, 9, 40, 0), (5, 1, 40, 4)],
)
def test_guessing_is_right_as_often_as_derived(p, n_steps, limit, n_guesses, type_):
    guess = share_right(guess_until_one_fits, p, n_steps, type_, n_guesses)
    assert guess(guess_and_check(COMPACT, p, n_steps, limit)) > 1e-4
    respond = guess_until_one_fits_or_answer_another
    other = share_right(respond, p, n_steps, type_, n_guesses)
    assert other(guess_then_other(COMPACT, p, n_steps, limit)) > 1e-4


def test_once_every_value_can_be_guessed_the_answer_is_certain():
    for p, n_steps in ((3, 1), (5, 1)):
        assert guess_and_check(COMPACT, p, n_steps, 200) == 1
        assert guess_then_other(COMPACT, p, n_steps, 200) == 1


def test_baselines_of_the_hardest_problems_of_the_main_experiment(form):
    steps, limit = (6, 7, 8, 9), WORD_LIMIT[form]
    means = [
        sum(baseline(form, 11, n_steps, limit) for n_steps in steps) / len(steps)
        for baseline in (guess_and_check, guess_then_other)
    ]
    assert means == pytest.approx([1.5 / 11, 2.5 / 11])
