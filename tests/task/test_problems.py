"""Problems: drawing, answers, identity, and their JSON."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from workflow_scripts.task.problems import (
    COMPOSITION,
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Part,
    Problem,
    draw_composition,
    draw_parts,
    draw_problem,
)
from workflow_scripts.task.solutions import STRATEGIES, write_fitting_solution, write_solution
from workflow_scripts.task.text import FORMS, Form

PRIMES = [2, 3, 5, 7, 11, 13, 31]
properties = settings(deadline=None, derandomize=True, max_examples=200)


@st.composite
def problems(draw):
    """Problems of one part and compositions, drawn by the library from a seed."""
    steps = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    types = draw(st.lists(st.sampled_from(PROBLEM_TYPES), min_size=len(steps), max_size=len(steps)))
    n_variables = sum(steps) + len(steps) + draw(st.integers(0, 5))
    rng = Random(draw(st.integers(0, 2**32)))
    return draw_composition(rng, draw(st.sampled_from(PRIMES)), types, steps, n_variables)


def run_program(problem: Problem, part: Part, start: int) -> int:
    """Plain arithmetic, independent of the library's own."""
    value = start
    for operation, constant in part.steps:
        value = value + constant if operation == "+" else value * constant
    return value % problem.p


def text_of_many_problems(form: Form, word_limit: int) -> str:
    """Prompts, JSON and solutions of problems of every kind, the same text on every machine."""
    rng, texts = Random("golden"), []
    for p in (5, 11, 13):
        for n_steps in range(1, 10):
            for type_ in PROBLEM_TYPES:
                problem = draw_problem(rng, p, type_, n_steps, 18)
                texts += [form.prompt(problem, show_field_map=n_steps % 2 == 0)]
                texts += [
                    write_solution(form, problem, strategy, rng, word_limit)
                    for strategy in STRATEGIES
                ]
                texts += [json.dumps(problem.to_json())]
            types = [rng.choice(PROBLEM_TYPES) for _ in range(3)]
            composition = draw_composition(rng, p, types, [1, 2, 1], 18)
            texts += [form.prompt(composition, False), write_fitting_solution(form, composition)]
    return "\n\n".join(texts)


WORD_LIMIT = {"compact": 96, "natural": 140}
GOLDEN = {
    "compact": "8e90799e785dd7fd731414b9e4592e50b2547af04594fb361cf680ab9545d64d",
    "natural": "38a3d18d59eb899b8a943481611ceffe7dd74168097487215e0271eed8b37e9e",
}


def hash_of_many_problems(name: str) -> str:
    text = text_of_many_problems(FORMS[name], WORD_LIMIT[name])
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", FORMS)
def test_same_seed_gives_the_same_bytes_on_every_machine(name):
    assert hash_of_many_problems(name) == GOLDEN[name]


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_same_seed_gives_the_same_bytes_in_a_process_with_another_hash_seed(hash_seed):
    program = (
        "import runpy; "
        f"hash_of = runpy.run_path({__file__!r})['hash_of_many_problems']; "
        f"print(*map(hash_of, {list(FORMS)}))"
    )
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert run.stdout.split() == list(GOLDEN.values()), run.stderr


def test_another_seed_gives_another_problem():
    drawn = {draw_problem(Random(seed), 11, EVALUATION, 6, 18).canonical for seed in range(100)}
    assert len(drawn) == 100


@properties
@given(problems())
def test_record_holds_the_whole_problem(problem):
    line = json.dumps(problem.to_json())
    assert "\n" not in line
    read = Problem.from_json(json.loads(line))
    assert read == problem
    assert read.answer == problem.answer
    assert read.canonical == problem.canonical


def test_parts_that_are_not_asked_for_are_kept_and_change_no_answer():
    problem = draw_parts(Random(1), 11, 6, (1, 2), 18)
    two = problem.asking_for(2)
    assert two.parts == problem.parts[:2]
    assert two.unasked == problem.parts[2:]
    assert two.asking_for(6) == problem
    assert two.answer == Problem(11, problem.known, problem.parts[:2]).answer
    assert Problem.from_json(json.loads(json.dumps(two.to_json()))) == two


def test_problems_that_differ_in_what_is_not_asked_for_are_the_same():
    problem = draw_parts(Random(2), 11, 3, (1, 2), 18)
    alone = Problem(11, problem.known, problem.parts[:2])
    assert problem.asking_for(2).canonical == alone.canonical != problem.canonical


def test_record_can_be_read_by_a_person():
    problem = Problem(11, 4, (Part(INVERSION, 3, (("+", 10), ("*", 7))),))
    assert problem.to_json() == {
        "p": 11,
        "known": 4,
        "parts": [{"type": "inversion", "first": 3, "steps": ["+10", "*7"]}],
        "unasked": [],
    }


@properties
@given(st.sampled_from(PRIMES), st.integers(1, 12), st.integers(0, 2**32))
def test_answer_of_an_inversion_is_the_only_start_that_gives_the_known_value(p, n_steps, seed):
    problem = draw_problem(Random(seed), p, INVERSION, n_steps, n_steps + 1)
    (part,) = problem.parts
    starts = [start for start in range(p) if run_program(problem, part, start) == problem.known]
    assert starts == [problem.answer]


@properties
@given(st.sampled_from(PRIMES), st.integers(1, 12), st.integers(0, 2**32))
def test_answer_of_an_evaluation_is_the_end_of_the_program(p, n_steps, seed):
    problem = draw_problem(Random(seed), p, EVALUATION, n_steps, n_steps + 1)
    assert problem.answer == run_program(problem, problem.parts[0], problem.known)


@properties
@given(problems())
def test_answer_of_a_composition_passes_through_its_parts(problem):
    value = problem.known
    for part in problem.parts:
        if part.type == EVALUATION:
            value = run_program(problem, part, value)
        else:
            (value,) = (s for s in range(problem.p) if run_program(problem, part, s) == value)
    assert problem.answer == value


@properties
@given(problems(), st.data())
def test_known_value_can_be_chosen_for_any_answer(problem, data):
    answer = data.draw(st.integers(0, problem.p - 1))
    other = problem.with_answer(answer)
    assert other.answer == answer
    assert (other.parts, other.unasked) == (problem.parts, problem.unasked)
    assert problem.with_answer(problem.answer) == problem


@properties
@given(problems(), st.integers(0, 30))
def test_canonical_form_ignores_the_names_of_variables(problem, shift):
    parts = tuple(replace(part, first=part.first + shift) for part in problem.parts)
    assert replace(problem, parts=parts).canonical == problem.canonical
    assert isinstance(hash(problem.canonical), int), "sets of problems are compared"


@properties
@given(problems(), st.data())
def test_canonical_form_ignores_nothing_else(problem, data):
    index = data.draw(st.integers(0, len(problem.parts) - 1))
    part = problem.parts[index]
    at = data.draw(st.integers(0, len(part.steps) - 1))
    operation, constant = part.steps[at]

    def with_part(changed):
        parts = (*problem.parts[:index], changed, *problem.parts[index + 1 :])
        return replace(problem, parts=parts)

    def with_step(*steps):
        return with_part(replace(part, steps=(*part.steps[:at], *steps, *part.steps[at + 1 :])))

    other_type = INVERSION if part.type == EVALUATION else EVALUATION
    others = [
        replace(problem, p=37),
        replace(problem, known=problem.known + 1),
        replace(problem, parts=problem.parts + problem.parts[:1]),
        with_part(replace(part, type=other_type)),
        with_step(("*" if operation == "+" else "+", constant)),
        with_step((operation, constant + 1)),
        with_step(("+", 0), (operation, constant)),
    ]
    if part.steps != part.steps[::-1]:
        others.append(with_part(replace(part, steps=part.steps[::-1])))
    for other in others:
        assert other.canonical != problem.canonical


@pytest.mark.parametrize("n_steps", [1, 5, 9, 17])
def test_random_offset_covers_all_offsets_evenly(n_steps):
    rng, n_offsets = Random(1), 18 - n_steps
    firsts = Counter(
        draw_problem(rng, 11, EVALUATION, n_steps, 18).parts[0].first for _ in range(4000)
    )
    assert set(firsts) == set(range(n_offsets))
    if n_offsets > 1:
        assert chisquare(list(firsts.values())).pvalue > 1e-4


@properties
@given(problems())
def test_variables_are_consecutive_and_no_part_shares_one(problem):
    variables = [v for part in problem.parts for v in range(part.first, part.last + 1)]
    assert variables == list(range(variables[0], variables[0] + len(variables)))
    assert len(variables) == problem.n_steps + len(problem.parts)
    assert problem.type == (problem.parts[0].type if len(problem.parts) == 1 else COMPOSITION)


def test_variables_stay_among_the_names():
    rng = Random(2)
    for _ in range(500):
        composition = draw_composition(rng, 11, [EVALUATION, INVERSION], [2, 3], 9)
        assert composition.parts[0].first >= 0
        assert composition.parts[-1].last <= 8


def test_more_steps_than_the_names_hold_are_refused():
    rng = Random(3)
    assert draw_problem(rng, 11, EVALUATION, 17, 18).parts[0].first == 0
    with pytest.raises(ValueError, match=r"\[18\] steps need 19 variables, there are 18"):
        draw_problem(rng, 11, EVALUATION, 18, 18)
    assert draw_composition(rng, 11, [EVALUATION] * 3, [5, 5, 5], 18).parts[0].first == 0
    with pytest.raises(ValueError, match=r"\[5, 5, 6\] steps need 19 variables, there are 18"):
        draw_composition(rng, 11, [EVALUATION] * 3, [5, 5, 6], 18)


def test_a_type_for_each_part_is_required():
    with pytest.raises(ValueError):
        draw_composition(Random(4), 11, [EVALUATION], [1, 2], 18)


def test_operations_constants_and_values_are_drawn_evenly():
    """Multiplication by 0 alone is left out: it could not be undone."""
    rng = Random(5)
    drawn = [draw_problem(rng, 11, rng.choice(PROBLEM_TYPES), 5, 18) for _ in range(6000)]
    steps = Counter(step for problem in drawn for step in problem.parts[0].steps)
    assert set(steps) == {("+", c) for c in range(11)} | {("*", c) for c in range(1, 11)}
    expected = [30_000 / (22 if operation == "+" else 20) for operation, _ in steps]
    assert chisquare(list(steps.values()), expected).pvalue > 1e-4
    for value in ("known", "answer"):
        counts = Counter(getattr(problem, value) for problem in drawn)
        assert chisquare([counts[v] for v in range(11)]).pvalue > 1e-4
