"""Solutions: forward, backward, guess and check, and compositions."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.conftest import load_tier
from tests.task.conftest import WORD_LIMIT
from workflow_scripts.task.label import label
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Part,
    Problem,
    draw_composition,
    draw_problem,
)
from workflow_scripts.task.reward import outcome_reward
from workflow_scripts.task.solutions import (
    BACKWARD,
    FORWARD,
    STRATEGIES,
    guess_and_check_words,
    max_guesses,
    solution_words,
    write_fitting_solution,
    write_solution,
)
from workflow_scripts.task.text import COMPACT, NATURAL, count_words

PRIMES = [2, 3, 5, 7, 11, 13, 31]
FITTING = {(FORWARD, EVALUATION), (BACKWARD, INVERSION)}
WORKED = re.compile(r"x(\d+) = (e\d+) ([-+*/]) (e\d+) = (e\d+)")
GUESS = {COMPACT: r"try (e\d+)", NATURAL: r"I guess that x\d+ = (e\d+)\."}
CHECK = {
    COMPACT: {True: "{} ok", False: "{} no"},
    NATURAL: {True: "It should be {}: right guess.", False: "It should be {}: wrong guess."},
}
ANSWER = {COMPACT: "ans {}", NATURAL: "Answer: {}"}
# Words of a worked line, of a guess with its check, of what comes before a solution, of the answer.
WORDS = {COMPACT: (5, 4, 0, 2), NATURAL: (6, 11, 7, 2)}
properties = settings(deadline=None, derandomize=True, max_examples=200)


def check_arithmetic(p: int, names: tuple[str, ...], line: str) -> tuple[int, int, int]:
    """Assert that a worked line is right, without the library; return variable, operand, result."""
    variable, *words = WORKED.fullmatch(line.removeprefix("Then ")).groups()
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


def attempts_of(form, solution: str) -> list[tuple[str, list[str], str]]:
    """Guess, worked lines and check of each attempt of a guess-and-check solution."""
    *lines, _ = solution.split("\n")
    attempts = []
    for line in lines:
        if guessed := re.fullmatch(GUESS[form], line):
            attempts.append((guessed[1], [], ""))
        elif not WORKED.search(line):
            guess, worked, check = attempts[-1]
            assert not check
            attempts[-1] = (guess, worked, line)
        else:
            attempts[-1][1].append(line)
    return attempts


def beginning(form, variable: int, value: str, strategy: str, index: int = 0) -> list[str]:
    """What comes before the lines of a part that starts from a known value."""
    if form is NATURAL:
        done = "apply" if strategy == FORWARD else "undo"
        return [f"From x{variable} = {value}, I {done} the steps."]
    return [f"x{variable} = {value}"] if index else []


@properties
@given(
    p=st.sampled_from(PRIMES),
    type_=st.sampled_from(PROBLEM_TYPES),
    n_steps=st.integers(1, 15),
    strategy=st.sampled_from([*STRATEGIES]),
    seed=st.integers(0, 2**32),
    spare=st.integers(0, 400),
)
def test_every_line_is_right_and_follows_from_the_one_before(
    form, p, type_, n_steps, strategy, seed, spare
):
    rng = Random(seed)
    problem = draw_problem(rng, p, type_, n_steps, n_steps + 3)
    limit = guess_and_check_words(form, n_steps) + spare
    solution = write_solution(form, problem, strategy, rng, limit)
    names = problem.field.names
    assert solution.split("\n")[-1] == ANSWER[form].format(names[problem.answer])
    assert count_words(solution) + 1 <= limit, "with the end of the text"
    if (strategy, type_) in FITTING:
        before = beginning(form, problem.parts[0].known_variable, names[problem.known], strategy)
        lines = solution.split("\n")[:-1]
        assert lines[: len(before)] == before
        lines = lines[len(before) :]
        assert check_attempt(problem, strategy, lines, problem.known) == problem.answer
        return
    attempts = attempts_of(form, solution)
    guesses = [names.index(guess) for guess, _, _ in attempts]
    assert len(set(guesses)) == len(guesses), "guesses are distinct"
    assert guesses[-1] == problem.answer
    for guess, (_, lines, check) in zip(guesses, attempts, strict=True):
        reached_known = check_attempt(problem, strategy, lines, guess) == problem.known
        assert check == CHECK[form][reached_known].format(names[problem.known])
        assert reached_known == (guess == problem.answer)


def test_solutions_of_the_sft_mix_stay_within_the_word_limit(form, sft_mix):
    longest = max(
        len(re.findall(r"x\d+ =|[-+*/] e\d+|\S+", example.solution)) for example in sft_mix
    )
    line, guess, *_ = WORDS[form]
    one_more_attempt = guess + line * 2
    assert WORD_LIMIT[form] - one_more_attempt < longest + 1 <= WORD_LIMIT[form]


@pytest.mark.parametrize(
    ("form", "p", "n_steps", "limit", "guesses"),
    [
        (COMPACT, 11, 1, 81, 8),
        (COMPACT, 11, 2, 81, 5),
        (COMPACT, 11, 5, 81, 2),
        (COMPACT, 11, 7, 81, 2),
        (COMPACT, 11, 7, 80, 1),
        (COMPACT, 11, 5, 32, 1),
        (COMPACT, 11, 5, 31, 0),
        (COMPACT, 3, 1, 999, 3),
        (NATURAL, 11, 5, 85, 2),
        (NATURAL, 11, 5, 84, 1),
        (NATURAL, 11, 5, 44, 1),
        (NATURAL, 11, 5, 43, 0),
    ],
)
def test_number_of_guesses_is_what_the_word_limit_holds(form, p, n_steps, limit, guesses):
    assert max_guesses(form, p, n_steps, limit) == guesses


def test_guess_and_check_succeeds_as_often_in_the_natural_form_of_the_paper_tier():
    natural, compact = load_tier("paper").task, load_tier("laptop").task
    assert (natural.form, compact.form) == (NATURAL, COMPACT)
    for n_steps in range(2, 15):
        assert max_guesses(NATURAL, 11, n_steps, natural.response_words) == max_guesses(
            COMPACT, 11, n_steps, compact.response_words
        )


@pytest.mark.parametrize(("form", "limit"), [(COMPACT, 32), (NATURAL, 44)])
def test_a_limit_that_holds_no_guess_is_refused(form, limit):
    problem = draw_problem(Random(0), 11, INVERSION, 5, 18)
    solution = write_solution(form, problem, FORWARD, Random(0), limit)
    assert re.match(GUESS[form], solution)
    with pytest.raises(ValueError, match=f"no guess of 5 steps fits into {limit - 1} words"):
        write_solution(form, problem, FORWARD, Random(0), limit - 1)


@pytest.mark.parametrize(("strategy", "type_"), [(FORWARD, INVERSION), (BACKWARD, EVALUATION)])
@pytest.mark.parametrize(("p", "n_steps", "n_guesses"), [(11, 2, 5), (11, 4, 3), (5, 1, 99)])
def test_place_of_the_right_guess_is_uniform_up_to_the_limit(
    form, strategy, type_, p, n_steps, n_guesses
):
    limit = guess_and_check_words(form, n_steps, n_guesses)
    rng = Random(f"{strategy} {p} {n_steps}")
    places, first_wrong = Counter(), Counter()
    for _ in range(4000):
        problem = draw_problem(rng, p, type_, n_steps, 18)
        solution = write_solution(form, problem, strategy, rng, limit)
        guesses = re.findall(GUESS[form], solution)
        places[len(guesses)] += 1
        distance = (problem.field.names.index(guesses[0]) - problem.answer) % p
        if len(guesses) > 1:
            first_wrong[distance] += 1
    assert set(places) == set(range(1, min(p, n_guesses) + 1))
    assert chisquare(list(places.values())).pvalue > 1e-4
    assert set(first_wrong) == set(range(1, p)), "any other element may be guessed first"
    assert chisquare(list(first_wrong.values())).pvalue > 1e-4


def test_limit_favours_neither_strategy_nor_type_nor_length(form, sft_mix):
    """Read from the texts of 100,000 examples: what was written, not what was asked for.

    Every cell of strategy, type and steps is as likely as every other.
    """
    assert len(sft_mix) == 100_000
    cells = Counter()
    for example in sft_mix:
        solution = example.solution
        strategy = label(example.problem, solution, complete=True).direction
        n_steps = len(WORKED.findall(solution)) // max(len(re.findall(GUESS[form], solution)), 1)
        cells[strategy, example.problem.type, n_steps] += 1
    assert set(cells) == {
        (s, t, n) for s in STRATEGIES for t in PROBLEM_TYPES for n in (2, 3, 4, 5)
    }
    assert chisquare(list(cells.values())).pvalue > 1e-4
    for axis in range(3):
        margin: Counter = Counter()
        for cell, count in cells.items():
            margin[cell[axis]] += count
        assert chisquare(list(margin.values())).pvalue > 1e-4


def test_both_strategies_cost_the_same_words_on_their_own_and_on_the_other_type(form, sft_mix):
    """The limit could favour a strategy by the length of its solutions only."""
    lengths: dict[tuple, Counter] = {}
    for example in sft_mix:
        fits = (example.strategy, example.type) in FITTING
        cell = lengths.setdefault((example.n_steps, fits, example.strategy), Counter())
        cell[count_words(example.solution)] += 1
    line, guess, before, answer = WORDS[form]
    for n_steps in (2, 3, 4, 5):
        for strategy in STRATEGIES:
            assert set(lengths[n_steps, True, strategy]) == {before + line * n_steps + answer}
            guessed = lengths[n_steps, False, strategy]
            assert set(guessed) == {
                answer + k * (guess + line * n_steps)
                for k in range(1, max_guesses(form, 11, n_steps, WORD_LIMIT[form]) + 1)
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
def test_composed_solution_verifies_and_chains(form, problem):
    """Each part starts from the answer of the one before, by its fitting strategy."""
    names = problem.field.names
    solution = write_fitting_solution(form, problem)
    assert outcome_reward(problem, solution, complete=True) == 1
    *lines, answer = solution.split("\n")
    value = problem.known
    for index, part in enumerate(problem.parts):
        strategy = FORWARD if part.type == EVALUATION else BACKWARD
        for expected in beginning(form, part.known_variable, names[value], strategy, index):
            assert lines.pop(0) == expected
        worked = [lines.pop(0) for _ in part.steps]
        value = check_attempt(Problem(problem.p, value, (part,)), strategy, worked, value)
    assert lines == []
    assert answer == ANSWER[form].format(names[value])
    assert count_words(solution) + 1 == solution_words(form, problem.n_steps, len(problem.parts))


def test_a_composition_has_no_solution_by_one_strategy(form):
    problem = draw_composition(Random(0), 11, [EVALUATION, INVERSION], [1, 1], 18)
    with pytest.raises(ValueError):
        write_solution(form, problem, FORWARD, Random(0), 999)
