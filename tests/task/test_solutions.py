"""Solutions: forward, backward, guess and check, and compositions."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from workflow_scripts.task.classify import classify
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Part,
    Problem,
    draw_composition,
    draw_problem,
)
from workflow_scripts.task.strategies import (
    BACKWARD,
    FORWARD,
    STRATEGIES,
    guess_and_check_success,
    max_guesses,
    write_composed_solution,
    write_solution,
)
from workflow_scripts.task.text import count_words
from workflow_scripts.task.verify import outcome_reward

PRIMES = [2, 3, 5, 7, 11, 13, 31]
FITTING = {(FORWARD, EVALUATION), (BACKWARD, INVERSION)}
WORD_LIMIT = 81
WORKED = re.compile(r"x(\d+) = (e\d+) ([-+*/]) (e\d+) = (e\d+)")
properties = settings(deadline=None, derandomize=True, max_examples=200)


def check_arithmetic(p: int, names: tuple[str, ...], line: str) -> tuple[int, int, int]:
    """Assert that a worked line is right, without the library; return variable, operand, result."""
    variable, *words = WORKED.fullmatch(line).groups()
    operation = words.pop(1)
    a, b, result = (names.index(word) for word in words)
    if operation == "/":
        assert b != 0, line
        assert result * b % p == a, line
    else:
        exact = {"+": a + b, "-": a - b, "*": a * b}[operation]
        assert exact % p == result, line
    return int(variable), a, result


def value_of_each_variable(problem: Problem, part: Part, start: int) -> dict[int, int]:
    values = {part.first: start}
    for variable, (operation, constant) in enumerate(part.steps, start=part.first):
        value = values[variable]
        values[variable + 1] = (
            value + constant if operation == "+" else value * constant
        ) % problem.p
    return values


def check_attempt(problem: Problem, strategy: str, lines: list[str], start: int) -> int:
    """Assert that lines work through the whole program from a start; return the end's value."""
    (part,) = problem.parts
    names = problem.field.names
    forward = strategy == FORWARD
    order = (
        range(part.first + 1, part.last + 1)
        if forward
        else range(part.last - 1, part.first - 1, -1)
    )
    carried, written = start, []
    for line in lines:
        variable, operand, result = check_arithmetic(problem.p, names, line)
        assert operand == carried, f"{line}: does not go on from the line before"
        written.append((variable, result))
        carried = result
    assert [variable for variable, _ in written] == list(order)
    values = value_of_each_variable(problem, part, start if forward else carried)
    assert written == [(variable, values[variable]) for variable in order]
    return carried


def attempts_of(solution: str) -> list[tuple[str, list[str], str]]:
    """Guess, worked lines and check of each attempt of a guess-and-check solution."""
    *lines, _ = solution.split("\n")
    attempts = []
    for line in lines:
        if line.startswith("try "):
            attempts.append((line.removeprefix("try "), [], ""))
        elif line.endswith((" ok", " no")):
            guess, worked, check = attempts[-1]
            assert not check
            attempts[-1] = (guess, worked, line)
        else:
            attempts[-1][1].append(line)
    return attempts


@properties
@given(
    p=st.sampled_from(PRIMES),
    type_=st.sampled_from(PROBLEM_TYPES),
    n_steps=st.integers(1, 15),
    strategy=st.sampled_from(STRATEGIES),
    seed=st.integers(0, 2**32),
    spare=st.integers(0, 400),
)
def test_every_line_is_right_and_follows_from_the_one_before(
    p, type_, n_steps, strategy, seed, spare
):
    rng = Random(seed)
    problem = draw_problem(rng, p, type_, n_steps, n_steps + 3)
    limit = 5 * n_steps + 7 + spare
    solution = write_solution(problem, strategy, rng, limit)
    names = problem.field.names
    assert solution.split("\n")[-1] == f"ans {names[problem.answer]}"
    assert count_words(solution) + 1 <= limit, "with the end of the text"
    if (strategy, type_) in FITTING:
        lines = solution.split("\n")[:-1]
        assert check_attempt(problem, strategy, lines, problem.known) == problem.answer
        return
    attempts = attempts_of(solution)
    guesses = [names.index(guess) for guess, _, _ in attempts]
    assert len(set(guesses)) == len(guesses), "guesses are distinct"
    assert guesses[-1] == problem.answer
    for guess, (_, lines, check) in zip(guesses, attempts, strict=True):
        reached_known = check_attempt(problem, strategy, lines, guess) == problem.known
        assert check == f"{names[problem.known]} {'ok' if reached_known else 'no'}"
        assert reached_known == (guess == problem.answer)


def test_solutions_of_the_sft_mix_stay_within_the_word_limit(sft_mix):
    longest = max(
        len(re.findall(r"x\d+ =|[-+*/] e\d+|\S+", example.solution)) for example in sft_mix
    )
    one_more_attempt = 4 + 5 * 2
    assert WORD_LIMIT - one_more_attempt < longest + 1 <= WORD_LIMIT


@pytest.mark.parametrize(
    ("p", "n_steps", "limit", "guesses"),
    [
        (11, 1, 81, 8),
        (11, 2, 81, 5),
        (11, 5, 81, 2),
        (11, 7, 81, 2),
        (11, 7, 80, 1),
        (11, 5, 32, 1),
        (11, 5, 31, 0),
        (3, 1, 999, 3),
    ],
)
def test_number_of_guesses_is_what_the_word_limit_holds(p, n_steps, limit, guesses):
    assert max_guesses(p, n_steps, limit) == guesses
    assert guess_and_check_success(p, n_steps, limit) == guesses / p


def test_a_limit_that_holds_no_guess_is_refused():
    problem = draw_problem(Random(0), 11, INVERSION, 5, 18)
    assert write_solution(problem, FORWARD, Random(0), 32).startswith("try ")
    with pytest.raises(ValueError, match="no guess of 5 steps fits into 31 words"):
        write_solution(problem, FORWARD, Random(0), 31)


@pytest.mark.parametrize(("strategy", "type_"), [(FORWARD, INVERSION), (BACKWARD, EVALUATION)])
@pytest.mark.parametrize(("p", "n_steps", "limit"), [(11, 2, 80), (11, 4, 80), (5, 1, 999)])
def test_place_of_the_right_guess_is_uniform_up_to_the_limit(strategy, type_, p, n_steps, limit):
    rng = Random(f"{strategy} {p} {n_steps}")
    places, first_wrong = Counter(), Counter()
    for _ in range(4000):
        problem = draw_problem(rng, p, type_, n_steps, 18)
        guesses = re.findall(r"try (e\d+)", write_solution(problem, strategy, rng, limit))
        places[len(guesses)] += 1
        distance = (problem.field.names.index(guesses[0]) - problem.answer) % p
        if len(guesses) > 1:
            first_wrong[distance] += 1
    assert set(places) == set(range(1, max_guesses(p, n_steps, limit) + 1))
    assert chisquare(list(places.values())).pvalue > 1e-4
    assert set(first_wrong) == set(range(1, p)), "any other element may be guessed first"
    assert chisquare(list(first_wrong.values())).pvalue > 1e-4


def test_limit_favours_neither_strategy_nor_type_nor_length(sft_mix):
    """Read from the texts of 100,000 examples: what was written, not what was asked for.

    Every cell of strategy, type and steps is as likely as every other.
    """
    assert len(sft_mix) == 100_000
    cells = Counter()
    for example in sft_mix:
        solution = example.solution
        label = classify(example.problem, solution)
        n_steps = (solution.count(" = e") // 2) // max(solution.count("try "), 1)
        cells[label, example.problem.type, n_steps] += 1
    assert set(cells) == {
        (s, t, n) for s in STRATEGIES for t in PROBLEM_TYPES for n in (2, 3, 4, 5)
    }
    assert chisquare(list(cells.values())).pvalue > 1e-4
    for axis in range(3):
        margin: Counter = Counter()
        for cell, count in cells.items():
            margin[cell[axis]] += count
        assert chisquare(list(margin.values())).pvalue > 1e-4


def test_both_strategies_cost_the_same_words_on_their_own_and_on_the_other_type(sft_mix):
    """The limit could favour a strategy by the length of its solutions only."""
    lengths: dict[tuple, Counter] = {}
    for example in sft_mix:
        fits = (example.strategy, example.type) in FITTING
        cell = lengths.setdefault((example.n_steps, fits, example.strategy), Counter())
        cell[count_words(example.solution)] += 1
    for n_steps in (2, 3, 4, 5):
        for strategy in STRATEGIES:
            assert set(lengths[n_steps, True, strategy]) == {5 * n_steps + 2}
            guessed = lengths[n_steps, False, strategy]
            assert set(guessed) == {
                2 + k * (4 + 5 * n_steps)
                for k in range(1, max_guesses(11, n_steps, WORD_LIMIT) + 1)
            }
            assert chisquare(list(guessed.values())).pvalue > 1e-4


@st.composite
def compositions(draw):
    steps = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    types = [draw(st.sampled_from(PROBLEM_TYPES)) for _ in steps]
    n_variables = sum(steps) + len(steps) + draw(st.integers(0, 4))
    rng = Random(draw(st.integers(0, 2**32)))
    return draw_composition(rng, draw(st.sampled_from(PRIMES)), types, steps, n_variables)


@properties
@given(compositions())
def test_composed_solution_verifies_and_chains(problem):
    """Each part starts from the answer of the one before, by its fitting strategy."""
    names = problem.field.names
    solution = write_composed_solution(problem)
    assert outcome_reward(problem, solution, complete=True) == 1
    *lines, answer = solution.split("\n")
    value = problem.known
    for index, part in enumerate(problem.parts):
        if index:
            assert lines.pop(0) == f"x{part.known_variable} = {names[value]}"
        worked = [lines.pop(0) for _ in part.steps]
        strategy = FORWARD if part.type == EVALUATION else BACKWARD
        value = check_attempt(Problem(problem.p, value, (part,)), strategy, worked, value)
    assert lines == []
    assert answer == f"ans {names[value]}"


def test_a_composition_has_no_solution_by_one_strategy():
    problem = draw_composition(Random(0), 11, [EVALUATION, INVERSION], [1, 1], 18)
    with pytest.raises(ValueError):
        write_solution(problem, FORWARD, Random(0), WORD_LIMIT)
