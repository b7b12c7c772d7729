"""The strategy label of any response."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.classify import LABELS, MIXED, NONE, classify
from workflow_scripts.task.problems import (
    EVALUATION,
    INVERSION,
    PROBLEM_TYPES,
    Part,
    Problem,
    draw_composition,
    draw_problem,
)
from workflow_scripts.task.solutions import (
    BACKWARD,
    FORWARD,
    STRATEGIES,
    guess_and_check_words,
    write_fitting_solution,
    write_solution,
)
from workflow_scripts.task.text import Form

PRIMES_TO_31 = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
properties = settings(deadline=None, derandomize=True, max_examples=200)


def draw_any_solution(form: Form, rng: Random) -> tuple[Problem, str, str]:
    """Any field up to GF(31), 1-15 steps, both types, both strategies, few or many guesses."""
    n_steps = rng.randrange(1, 16)
    problem = draw_problem(
        rng, rng.choice(PRIMES_TO_31), rng.choice(PROBLEM_TYPES), n_steps, rng.randrange(16, 40)
    )
    strategy = rng.choice(STRATEGIES)
    limit = guess_and_check_words(form, n_steps, rng.choice([1, 1, 2, 4, 31]))
    return problem, strategy, write_solution(form, problem, strategy, rng, limit)


def test_label_is_the_strategy_that_wrote_the_solution_on_100_000_solutions(form):
    rng = Random("classifier")
    disagreements, seen = [], set()
    for _ in range(100_000):
        problem, strategy, solution = draw_any_solution(form, rng)
        seen.add((problem.p, problem.type, problem.n_steps, strategy))
        if classify(problem, solution) != strategy:
            disagreements.append((problem, strategy, solution))
    assert disagreements[:3] == []
    assert len(seen) == len(PRIMES_TO_31) * 2 * 15 * 2


# ---- by hand: x3 = x2 + 4, x4 = x3 * 7 in GF(11), with elements as numbers -------------------

STEPS = (("+", 4), ("*", 7))
NAMES = Problem(11, 0, ()).field.names


def in_symbols(text: str) -> str:
    """5 -> its symbol, so that the cases below can be read."""
    return re.sub(r"(?<!\S)\d+(?!\S)", lambda number: NAMES[int(number[0])], text)


@pytest.mark.parametrize("type_", PROBLEM_TYPES)
@pytest.mark.parametrize(
    ("response", "label"),
    [
        ("x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8", FORWARD),
        ("x3 = 8 / 7 = 9 x2 = 9 - 4 = 5 ans 5", BACKWARD),
        ("try 5 x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ok ans 5", FORWARD),
        ("try 5 x3 = 5 / 7 = 7 x2 = 7 - 4 = 3 no", BACKWARD),
        ("x4 = 9 * 7 = 8", FORWARD),
        ("x3 = 5 + 4 = 1", FORWARD),  # a wrong sum is still a forward step
        ("x2 = 9 - 4 = 9", BACKWARD),
        ("From x2 = 5, I apply the steps.\nThen x3 = 5 + 4 = 9\nAnswer: 9", FORWARD),
        ("From x2 = 5, I apply the steps.\nThen x3 = 8 / 7 = 9\nAnswer: 9", BACKWARD),
        ("x3 = 5 + 4 = 9 x4 = 9 + 7 = 8", FORWARD),  # one step right, one that does not exist
        ("x3 = 5 + 4 = 9 x3 = 8 / 7 = 9 ans 5", MIXED),
        ("x2 = 9 - 4 = 5 x3 = 5 + 4 = 9", MIXED),
        ("", NONE),
        ("ans 8", NONE),
        ("From x2 = 5, I apply the steps.\nAnswer: 8", NONE),  # what is said is not what is done
        ("I guess that x2 = 5.\nIt should be 8: right guess.\nAnswer: 5", NONE),
        ("try 5 ok ans 5", NONE),
        ("x3 = 5 + 4", NONE),
        ("x3 = x2 + 4 x4 = x3 * 7", NONE),  # the program copied
        ("x3 = 5 * 4 = 9", NONE),  # another operation
        ("x3 = 5 + 3 = 8", NONE),  # another constant
        ("x3 = 4 + 5 = 9", NONE),  # operand and constant exchanged
        ("x4 = 5 + 4 = 9", NONE),  # another variable
        ("x3 = 9 - 4 = 5", NONE),  # undone into the variable that it defines
        ("x2 = 5 + 4 = 9", NONE),  # done into the variable that it uses
        ("x13 = 5 + 4 = 9", NONE),
    ],
)
def test_label_of_responses_by_hand(type_, response, label):
    problem = Problem(11, 5, (Part(type_, 2, STEPS),))
    assert classify(problem, in_symbols(response)) == label


def test_composition_is_labelled_by_the_lines_of_all_its_parts(form):
    rng = Random("compositions")
    expected = {EVALUATION: FORWARD, INVERSION: BACKWARD}
    for _ in range(300):
        types = [rng.choice(PROBLEM_TYPES) for _ in range(rng.randrange(1, 5))]
        problem = draw_composition(rng, 11, types, [rng.randrange(1, 3) for _ in types], 18)
        label = expected[types[0]] if len(set(types)) == 1 else MIXED
        assert classify(problem, write_fitting_solution(form, problem)) == label


# ---- any text ---------------------------------------------------------------------------------

GARBAGE = [
    "x", "e", "=", "+", "-", "*", "/", "x-1", "e-1", "x\u0663", "e\u0665", "e\u00b2", "\u2460",
    "x99999999999999999999", "e" + "9" * 5000, "x" + "9" * 5000, "\x00", "\x1b[31m", "\x1f",
    "\ufeff", "\u200b", "\u2028", "\ud800", "\U0001f642", "None", "nan", "{}", "%s", "\\", "(", ")",
    "[", ".*", "x0 =", "x1 =", "= e0", "ans", "try", "no", "ok", "Answer:", "Then", "é",
    "ｘ１", "<eos>",
]  # fmt: skip


def mutate(rng: Random, text: str) -> str:
    words = text.split(" ")
    for _ in range(rng.randrange(1, 4)):
        at, other = rng.randrange(len(words)), rng.randrange(len(words))
        kind = rng.randrange(6)
        if kind == 0 and len(words) > 1:
            del words[at]
        elif kind == 1:
            words.insert(at, words[other])
        elif kind == 2:
            words[at], words[other] = words[other], words[at]
        elif kind == 3:
            words[at] = rng.choice(GARBAGE)
        elif kind == 4:
            words[at] = words[at][: rng.randrange(len(words[at]) + 1)]
        else:
            words.insert(at, chr(rng.randrange(0x110000)))
    return rng.choice([" ", " ", "", "\n", "\x1f"]).join(words)


def random_response(rng: Random) -> str:
    pieces = rng.choices([*GARBAGE, "x3", "e4", "e9", " ", "\n"], k=rng.randrange(30))
    return rng.choice([" ", ""]).join(pieces)


def test_classifier_never_raises_on_100_000_random_or_mutated_responses(form):
    rng = Random("mutations")
    sources = [draw_any_solution(form, rng) for _ in range(500)]
    sources = [(problem, solution[:600]) for problem, _, solution in sources]
    labels = set()
    for index in range(100_000):
        problem, solution = sources[index % len(sources)]
        response = mutate(rng, solution) if index % 4 else random_response(rng)
        labels.add(classify(problem, response))
    assert labels == set(LABELS)


@pytest.mark.parametrize(
    "response",
    [
        "",
        " \n\t\x0b\x1c\u2003",
        "\x00" * 1000,
        "x1 = " * 200_000,
        "x3 = e1 + e1 = " * 50_000,
        " " * 1_000_000,
        "x1" + " " * 100_000 + "=" + " " * 100_000,
        "9" * 1_000_000,
        "x" * 1_000_000,
    ],
    ids=["empty", "white", "nul", "assign", "cut", "spaces", "gaps", "digits", "letters"],
)
def test_extreme_responses_have_the_label_none(response):
    assert classify(Problem(11, 5, (Part(EVALUATION, 2, STEPS),)), response) == NONE


@properties
@given(st.text(), st.sampled_from(PROBLEM_TYPES))
def test_any_text_has_a_label(response, type_):
    assert classify(Problem(11, 5, (Part(type_, 2, STEPS),)), response) in LABELS


@properties
@given(st.integers(0, 2**32), st.data())
def test_label_does_not_depend_on_white_space(form, seed, data):
    problem, strategy, solution = draw_any_solution(form, Random(seed))
    spaces = st.sampled_from([" ", "  ", "\n", "\t", "\r\n", "\n\n\n", "\u00a0", "\u2003", "\x0b"])
    pattern = data.draw(st.lists(spaces, min_size=1, max_size=9))
    words = solution.split()
    text = "".join(word + pattern[i % len(pattern)] for i, word in enumerate(words))
    assert classify(problem, pattern[0] + text) == strategy
