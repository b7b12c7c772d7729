"""The label of any response: direction, mode, fit, first mistake."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.task.label import (
    ARITHMETIC,
    CUT_OFF,
    DIRECT,
    DIRECTIONS,
    GUESS_AND_CHECK,
    LOOKUP,
    MISTAKES,
    MIXED,
    MODES,
    NO_MISTAKE,
    NONE,
    NOT_JUDGED,
    OPERAND,
    STOPPED_EARLY,
    TOO_MANY_LINES,
    WRONG_ANSWER,
    Label,
    label,
)
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
    FITTING_STRATEGY,
    FORWARD,
    STRATEGIES,
    guess_and_check_words,
    write_fitting_solution,
    write_solution,
)
from workflow_scripts.task.text import COMPACT, NATURAL, Form

PRIMES_TO_31 = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31)
properties = settings(deadline=None, derandomize=True, max_examples=200)


def draw_any_solution(form: Form, rng: Random) -> tuple[Problem, str, str]:
    """Any field up to GF(31), 1-15 steps, both types, both strategies, few or many guesses."""
    n_steps = rng.randrange(1, 16)
    problem = draw_problem(
        rng, rng.choice(PRIMES_TO_31), rng.choice(PROBLEM_TYPES), n_steps, rng.randrange(16, 40)
    )
    strategy = rng.choice([*STRATEGIES])
    limit = guess_and_check_words(form, n_steps, rng.choice([1, 1, 2, 4, 31]))
    return problem, strategy, write_solution(form, problem, strategy, rng, limit)


def test_label_is_the_strategy_that_wrote_the_solution_on_100_000_solutions(form):
    rng = Random("classifier")
    disagreements, seen = [], set()
    for _ in range(100_000):
        problem, strategy, solution = draw_any_solution(form, rng)
        seen.add((problem.p, problem.type, problem.n_steps, strategy))
        expected = Label(strategy, GUESS_AND_CHECK, False, 0, NOT_JUDGED)
        if strategy == FITTING_STRATEGY[problem.type]:
            expected = Label(strategy, DIRECT, True, 0, NO_MISTAKE)
        if label(problem, solution, complete=True) != expected:
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
    ("response", "direction"),
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
def test_direction_of_responses_by_hand(type_, response, direction):
    problem = Problem(11, 5, (Part(type_, 2, STEPS),))
    assert label(problem, in_symbols(response), True).direction == direction


@pytest.mark.parametrize(
    ("response", "mode"),
    [
        ("x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8", DIRECT),
        ("x3 = 8 / 7 = 9", DIRECT),
        ("x9 = 5 * 1 = 5", DIRECT),  # a worked line, though of no step of the program
        ("try 5 x3 = 5 + 4 = 9", GUESS_AND_CHECK),
        ("x3 = 5 + 4 = 9 try 5", GUESS_AND_CHECK),
        ("try 5", GUESS_AND_CHECK),
        ("I guess that x2 = 5 . I guess that x2 = {}.", GUESS_AND_CHECK),
        ("I\nguess that x2\t= {}.\nThen x3 = 5 + 4 = 9", GUESS_AND_CHECK),
        ("I guess that x2 = {}", NONE),  # without the point
        ("I guess x2 = {}.", NONE),
        ("retry 5 trying 5 try x2 try", NONE),
        ("It should be 8: right guess.", NONE),
        ("ans 8", NONE),
        ("", NONE),
    ],
)
def test_mode_of_responses_by_hand(response, mode):
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    text = in_symbols(response).replace("{}", NAMES[5])
    assert label(problem, text, True).mode == mode


# The known value is 5. The solution is x3 = 5 + 4 = 9 x4 = 9 * 7 = 8, of inversion
# x3 = 5 / 7 = 7 x2 = 7 - 4 = 3.
@pytest.mark.parametrize(
    ("type_", "response", "complete", "wrong_line", "mistake"),
    [
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8", True, 0, NO_MISTAKE),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 Answer: 8", True, 0, NO_MISTAKE),
        (INVERSION, "x3 = 5 / 7 = 7 x2 = 7 - 4 = 3 ans 3", True, 0, NO_MISTAKE),
        (EVALUATION, "x4 = 5 * 7 = 2 ans 2", True, 1, LOOKUP),
        (EVALUATION, "x3 = 5 + 3 = 8 x4 = 8 * 7 = 1 ans 1", True, 1, LOOKUP),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 + 7 = 5 ans 5", True, 2, LOOKUP),
        (EVALUATION, "x3 = 5 + 4 = 9 x3 = 9 + 4 = 2 ans 2", True, 2, LOOKUP),
        (EVALUATION, "x3 = 5 + 4 = 9 x9 = 1 + 1 = 5 ans 5", True, 2, LOOKUP),
        (INVERSION, "x2 = 5 - 4 = 1 ans 1", True, 1, LOOKUP),
        (EVALUATION, "x3 = 5 + 4 x4 = 9 * 7 = 8 ans 8", True, 1, LOOKUP),  # a line is malformed
        (EVALUATION, "x3 = 6 + 4 = 10 x4 = 10 * 7 = 4 ans 4", True, 1, OPERAND),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 5 * 7 = 2 ans 2", True, 2, OPERAND),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 5 * 7 = 8 ans 8", True, 2, OPERAND),
        (EVALUATION, "x3 = 5 + 4 = 8 x4 = 8 * 7 = 1 ans 1", True, 1, ARITHMETIC),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 1 ans 8", True, 2, ARITHMETIC),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = e99 ans 8", True, 2, ARITHMETIC),
        (INVERSION, "x3 = 5 / 7 = 7 x2 = 7 - 4 = 4 ans 4", False, 2, ARITHMETIC),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 x5 = 8 + 1 = 9 ans 9", True, 3, TOO_MANY_LINES),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8 x4 = 9 * 7 = 8", True, 3, TOO_MANY_LINES),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 x5 = 8 + 1 = 9", False, 3, TOO_MANY_LINES),
        (EVALUATION, "x3 = 5 + 4 = 9 ans 9", True, 2, STOPPED_EARLY),
        (EVALUATION, "x3 = 5 + 4 = 9 ans 8", True, 2, STOPPED_EARLY),  # right by chance
        (EVALUATION, "x3 = 5 + 4 = 9", True, 2, STOPPED_EARLY),
        (INVERSION, "x3 = 5 / 7 = 7 ans 7", True, 2, STOPPED_EARLY),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 9", True, 3, WRONG_ANSWER),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8", True, 3, WRONG_ANSWER),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans", True, 3, WRONG_ANSWER),
        (EVALUATION, "x3 = 5 + 4 = 9 ans 8 x4 = 9 * 7 = 8 ans 8", True, 3, WRONG_ANSWER),
        (EVALUATION, "x3 = 5 + 4 = 9", False, 2, CUT_OFF),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 *", False, 2, CUT_OFF),
        (EVALUATION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8", False, 3, CUT_OFF),
    ],
)
def test_first_mistake_by_hand(type_, response, complete, wrong_line, mistake):
    problem = Problem(11, 5, (Part(type_, 2, STEPS),))
    labelled = label(problem, in_symbols(response), complete)
    assert (labelled.fits, labelled.wrong_line, labelled.mistake) == (True, wrong_line, mistake)


@pytest.mark.parametrize(
    ("type_", "response"),
    [
        (EVALUATION, "x3 = 5 / 7 = 7 x2 = 7 - 4 = 3 ans 3"),  # the other direction
        (INVERSION, "x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 ans 8"),
        (EVALUATION, "x3 = 5 + 4 = 9 x3 = 8 / 7 = 9 ans 9"),  # both directions
        (EVALUATION, "try 5 x3 = 5 + 4 = 9 x4 = 9 * 7 = 8 5 ok ans 8"),  # a forward guess
        (EVALUATION, "x9 = 5 * 1 = 5 ans 5"),
        (EVALUATION, "ans 8"),
        (EVALUATION, ""),
    ],
)
def test_responses_that_do_not_fit_are_not_judged(type_, response):
    problem = Problem(11, 5, (Part(type_, 2, STEPS),))
    labelled = label(problem, in_symbols(response), True)
    assert (labelled.fits, labelled.wrong_line, labelled.mistake) == (False, 0, NOT_JUDGED)


# ---- compositions -----------------------------------------------------------------------------


def draw_chain(rng: Random, n_parts: int) -> Problem:
    types = [rng.choice(PROBLEM_TYPES) for _ in range(n_parts)]
    return draw_composition(rng, 11, types, [rng.randrange(1, 3) for _ in types], 18)


def test_solutions_of_compositions_fit_in_the_directions_of_all_their_parts(form):
    rng = Random("compositions")
    for _ in range(300):
        problem = draw_chain(rng, rng.randrange(1, 5))
        directions = {FITTING_STRATEGY[part.type] for part in problem.parts}
        direction = directions.pop() if len(directions) == 1 else MIXED
        expected = Label(direction, DIRECT, True, 0, NO_MISTAKE)
        assert label(problem, write_fitting_solution(form, problem), True) == expected


# x3 = x2 + 4, evaluation, then x6 = x5 * 7, inversion, then x8 = x7 + 1, evaluation.
CHAIN = Problem(
    11,
    5,
    (
        Part(EVALUATION, 2, (("+", 4),)),
        Part(INVERSION, 5, (("*", 7),)),
        Part(EVALUATION, 7, (("+", 1),)),
    ),
)


@pytest.mark.parametrize(
    ("n_parts", "response", "label_of_response"),
    [
        (3, "x3 = 5 + 4 = 9 x5 = 9 / 7 = 6 x8 = 6 + 1 = 7 ans 7", (MIXED, True, 0, NO_MISTAKE)),
        # Links do not count, the values that the next line works on do.
        (2, "x3 = 5 + 4 = 9 x6 = 3 x5 = 9 / 7 = 6 ans 6", (MIXED, True, 0, NO_MISTAKE)),
        (2, "x3 = 5 + 4 = 9 x6 = 3 x5 = 3 / 7 = 2 ans 2", (MIXED, True, 2, OPERAND)),
        (2, "x3 = 5 + 4 = 9 ans 9", (FORWARD, True, 2, STOPPED_EARLY)),
        (2, "x5 = 5 / 7 = 7 ans 7", (BACKWARD, True, 1, LOOKUP)),
        # The second part in the other direction.
        (2, "x3 = 5 + 4 = 9 x6 = 9 * 7 = 8 ans 8", (FORWARD, False, 0, NOT_JUDGED)),
        (2, "x6 = 9 * 7 = 8 ans 8", (FORWARD, False, 0, NOT_JUDGED)),
        # Parts that the question does not ask for.
        (1, "x3 = 5 + 4 = 9 ans 9", (FORWARD, True, 0, NO_MISTAKE)),
        (1, "x3 = 5 + 4 = 9 x5 = 9 / 7 = 6 ans 6", (FORWARD, True, 2, TOO_MANY_LINES)),
        (1, "x3 = 5 + 4 = 9 x6 = 9 * 7 = 8 ans 8", (FORWARD, True, 2, TOO_MANY_LINES)),
        (2, "x3 = 5 + 4 = 9 x8 = 9 + 1 = 10 ans 10", (FORWARD, True, 2, LOOKUP)),
        (1, "x5 = 5 / 7 = 7 ans 7", (NONE, False, 0, NOT_JUDGED)),
        (2, "try 5 x3 = 5 + 4 = 9 x5 = 9 / 7 = 6 ans 6", (MIXED, False, 0, NOT_JUDGED)),
    ],
)
def test_labels_of_compositions_by_hand(n_parts, response, label_of_response):
    direction, _, *rest = label(CHAIN.asking_for(n_parts), in_symbols(response), True)
    assert (direction, *rest) == label_of_response


# ---- one line of a right solution is corrupted ------------------------------------------------

Words = list[str]  # of a worked line: x4, =, e9, *, e7, =, e2


def another(rng: Random, name: str) -> str:
    return rng.choice([symbol for symbol in NAMES if symbol != name])


def corrupted(rng: Random, words: Words, mistake: str) -> Words:
    """The line with a mistake of this kind. Some lines also have a mistake of a later kind."""
    words = list(words)
    if mistake == ARITHMETIC or rng.random() < 0.5:
        words[6] = another(rng, words[6])
    if mistake == OPERAND or (mistake == LOOKUP and rng.random() < 0.5):
        words[2] = another(rng, words[2])
    if mistake == LOOKUP:
        kind = rng.randrange(3)
        if kind == 0:
            words[0] = f"x{rng.randrange(20, 99)}"
        elif kind == 1:
            words[3] = "*" if words[3] in "+-" else "+"
        else:
            words[4] = another(rng, words[4])
    return words


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_corrupted_solution_has_the_mistake_and_the_line(form, mistake):
    rng, judged = Random(mistake), 0
    for _ in range(1000):
        problem = draw_chain(rng, rng.randrange(1, 5))
        if rng.random() < 0.5:
            problem = draw_problem(rng, 11, rng.choice(PROBLEM_TYPES), rng.randrange(2, 10), 18)
        lines = write_fitting_solution(form, problem).split("\n")
        places = [place for place, line in enumerate(lines) if line.count("=") == 2]
        index, complete = rng.randrange(len(places)), True
        place, wrong_line = places[index], index + 1
        if mistake in (LOOKUP, OPERAND, ARITHMETIC):
            before, x, after = lines[place].partition("x")
            lines[place] = before + " ".join(corrupted(rng, (x + after).split(), mistake))
        elif mistake == TOO_MANY_LINES:
            lines.insert(rng.choice([-1, len(lines)]), lines[place])
            wrong_line = len(places) + 1
        elif mistake == STOPPED_EARLY:
            del lines[place : rng.choice([-1, len(lines)])]
        elif mistake == CUT_OFF:
            lines, complete = [*lines[:place], lines[place][: rng.randrange(8)]], False
        else:
            lines = rng.choice([lines[:-1], [*lines[:-1], f"{lines[-1]}{lines[-1][-1]}"]])
            wrong_line = len(places) + 1
        labelled = label(problem, "\n".join(lines), complete)
        if labelled.fits:
            assert (labelled.wrong_line, labelled.mistake) == (wrong_line, mistake)
        judged += labelled.fits
        # Without a right line, a response may have no direction. A wrong step may be of the other.
        assert labelled.fits or wrong_line == 1 or mistake == LOOKUP
    assert judged > 600


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


def check_consistency(problem: Problem, response: str, complete: bool, labelled: Label) -> None:
    direction, mode, fits, wrong_line, mistake = labelled
    assert direction in DIRECTIONS
    assert mode in MODES
    assert (mistake in (NO_MISTAKE, *MISTAKES)) == fits == (mistake != NOT_JUDGED)
    assert (wrong_line > 0) == (mistake in MISTAKES)
    assert 0 <= wrong_line <= problem.n_steps + 1
    if fits:
        assert mode == DIRECT
        assert direction != NONE
    if fits and len(problem.parts) == 1:
        assert direction == FITTING_STRATEGY[problem.type]
    if mistake == NO_MISTAKE:
        assert outcome_reward(problem, response, complete) == 1


def test_100_000_random_or_mutated_responses_have_consistent_labels(form):
    rng = Random("mutations")
    sources = [draw_any_solution(form, rng) for _ in range(400)]
    sources = [(problem, solution[:600]) for problem, _, solution in sources]
    for _ in range(100):
        problem = draw_chain(rng, rng.randrange(1, 5))
        sources.append((problem, write_fitting_solution(form, problem)))
    directions, modes, mistakes = set(), set(), set()
    for index in range(100_000):
        problem, solution = sources[index % len(sources)]
        text = f"{solution}\n{solution}" if index % 7 == 0 else solution
        response = mutate(rng, text) if index % 4 else random_response(rng)
        complete = index % 5 > 0
        labelled = label(problem, response, complete)
        check_consistency(problem, response, complete, labelled)
        directions.add(labelled.direction)
        modes.add(labelled.mode)
        mistakes.add(labelled.mistake)
    assert directions == set(DIRECTIONS)
    assert modes == set(MODES)
    assert mistakes == {NOT_JUDGED, NO_MISTAKE, *MISTAKES}


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
        ("try" + " " * 100_000) * 3,
        "I guess that x1 = " * 50_000,
        "9" * 1_000_000,
        "x" * 1_000_000,
    ],
    ids=[
        *("empty", "white", "nul", "assign", "cut", "spaces", "gaps", "try", "guess"),
        *("digits", "letters"),
    ],
)
def test_extreme_responses_are_labelled_as_none(response):
    problem = Problem(11, 5, (Part(EVALUATION, 2, STEPS),))
    assert label(problem, response, True) == Label(NONE, NONE, False, 0, NOT_JUDGED)


@properties
@given(st.text(), st.sampled_from(PROBLEM_TYPES), st.booleans())
def test_any_text_has_a_label(response, type_, complete):
    problem = Problem(11, 5, (Part(type_, 2, STEPS),))
    check_consistency(problem, response, complete, label(problem, response, complete))


@properties
@given(st.integers(0, 2**32), st.data())
def test_label_does_not_depend_on_white_space(form, seed, data):
    problem, _, solution = draw_any_solution(form, Random(seed))
    spaces = st.sampled_from([" ", "  ", "\n", "\t", "\r\n", "\n\n\n", "\u00a0", "\u2003", "\x0b"])
    pattern = data.draw(st.lists(spaces, min_size=1, max_size=9))
    words = solution.split()
    text = "".join(word + pattern[i % len(pattern)] for i, word in enumerate(words))
    assert label(problem, pattern[0] + text, True) == label(problem, solution, True)


@properties
@given(st.integers(0, 2**32))
def test_both_forms_have_the_same_labels(seed):
    compact, natural = (draw_any_solution(form, Random(seed)) for form in (COMPACT, NATURAL))
    (problem, _, first), (_, _, second) = compact, natural
    assert label(problem, first, True) == label(problem, second, True)
