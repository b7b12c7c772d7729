"""Writers of solutions: forward, backward, and guess and check where a strategy does not fit.

Forward applies the steps in order, so it fits evaluation; backward undoes them from the last, so it
fits inversion. On the other type a strategy can only guess the value that it needs to start from,
work through the program, and compare the end with the known value.
"""

from random import Random

from workflow_scripts.task.field import INVERSE_OPERATION, Field
from workflow_scripts.task.problems import EVALUATION, INVERSION, Part, Problem
from workflow_scripts.task.text import (
    ANSWER,
    GUESS,
    render_check,
    render_link,
    render_worked_line,
)

FORWARD, BACKWARD = "forward", "backward"
STRATEGIES = (FORWARD, BACKWARD)
FITTING_STRATEGY = {EVALUATION: FORWARD, INVERSION: BACKWARD}

# Words, see text.WORD: a worked line; `try e1` with its check `e3 no`; `x1 = e2` between parts; and
# `ans e1` with the end of the text.
_LINE_WORDS, _GUESS_WORDS, _LINK_WORDS, _ANSWER_WORDS = 5, 4, 2, 3


def solution_words(n_steps: int, n_parts: int = 1) -> int:
    """Words of a solution by the fitting strategy; parts after the first begin with a link."""
    return _LINE_WORDS * n_steps + _LINK_WORDS * (n_parts - 1) + _ANSWER_WORDS


def guess_and_check_words(n_steps: int, n_guesses: int = 1) -> int:
    return (_GUESS_WORDS + _LINE_WORDS * n_steps) * n_guesses + _ANSWER_WORDS


def max_guesses(p: int, n_steps: int, word_limit: int) -> int:
    """How many guesses fit into a guess-and-check solution of word_limit words."""
    per_guess = guess_and_check_words(n_steps, 1) - guess_and_check_words(n_steps, 0)
    return min(p, (word_limit - _ANSWER_WORDS) // per_guess)


def guess_and_check_success(p: int, n_steps: int, word_limit: int) -> float:
    """Probability that distinct random guesses within the limit find the answer."""
    return max_guesses(p, n_steps, word_limit) / p


def work_through(field: Field, part: Part, strategy: str, start: int) -> tuple[list[str], int]:
    """Return the worked lines of a part from a start value, and the value they end with."""
    lines, value = [], start
    if strategy == FORWARD:
        for variable, (operation, constant) in enumerate(part.steps, start=part.first + 1):
            result = field.apply(operation, value, constant)
            lines.append(render_worked_line(field, variable, value, operation, constant, result))
            value = result
    else:
        for offset in range(len(part.steps) - 1, -1, -1):
            operation, constant = part.steps[offset]
            inverse = INVERSE_OPERATION[operation]
            result = field.apply(inverse, value, constant)
            lines.append(
                render_worked_line(field, part.first + offset, value, inverse, constant, result)
            )
            value = result
    return lines, value


def _guess_and_check(
    problem: Problem, part: Part, strategy: str, rng: Random, word_limit: int
) -> list[str]:
    """Guesses in an order drawn uniformly from those that succeed within the limit."""
    field, answer = problem.field, problem.answer
    limit = max_guesses(field.p, len(part.steps), word_limit)
    if limit < 1:
        raise ValueError(f"no guess of {len(part.steps)} steps fits into {word_limit} words")
    n_wrong = rng.randrange(limit)
    wrong = rng.sample([value for value in range(field.p) if value != answer], n_wrong)
    lines = []
    for guess in [*wrong, answer]:
        lines.append(f"{GUESS} {field.names[guess]}")
        lines += work_through(field, part, strategy, guess)[0]
        lines.append(render_check(field.names[problem.known], guess == answer))
    return lines


def write_solution(problem: Problem, strategy: str, rng: Random, word_limit: int) -> str:
    """Write a correct response to a problem of one part with the given strategy.

    rng orders the guesses where the strategy does not fit the problem's type.
    Raises ValueError if not even one guess fits into word_limit words.
    """
    (part,) = problem.parts
    if strategy == FITTING_STRATEGY[part.type]:
        lines, _ = work_through(problem.field, part, strategy, problem.known)
    else:
        lines = _guess_and_check(problem, part, strategy, rng, word_limit)
    return "\n".join([*lines, f"{ANSWER} {problem.field.names[problem.answer]}"])


def write_composed_solution(problem: Problem) -> str:
    """Write a correct response to a composition: every part by its fitting strategy.

    From the second part on, a line ``x7 = e3`` carries the previous answer over.
    """
    field, value, lines = problem.field, problem.known, []
    for index, part in enumerate(problem.parts):
        if index:
            lines.append(render_link(part.known_variable, field.names[value]))
        worked, value = work_through(field, part, FITTING_STRATEGY[part.type], value)
        lines += worked
    return "\n".join([*lines, f"{ANSWER} {field.names[value]}"])
